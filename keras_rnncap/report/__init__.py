"""One page that shows what studies found."""

from keras_rnncap.report.report import write_report

__all__ = ["write_report"]
