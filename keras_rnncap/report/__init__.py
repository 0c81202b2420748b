"""One page that shows what studies found."""

from keras_rnncap.report.report import write_report as write_report
