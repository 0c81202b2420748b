"""The folder of a run, its files and its rows."""

from keras_rnncap.runs.files import check_kinds as check_kinds, disk_trouble as disk_trouble, read_json as read_json
from keras_rnncap.runs.files import remove_leftovers as remove_leftovers, replacing as replacing
from keras_rnncap.runs.files import temporary_folder as temporary_folder, write_json as write_json
from keras_rnncap.runs.folder import IDENTITY as IDENTITY, LOCK as LOCK, RunDirectory as RunDirectory
from keras_rnncap.runs.rows import COMPLETED as COMPLETED, CUT as CUT, DIVERGED as DIVERGED, SCORED as SCORED
from keras_rnncap.runs.rows import STOPPED as STOPPED
from keras_rnncap.runs.rows import UNTRAINED as UNTRAINED, append_rows as append_rows, read_rows as read_rows
from keras_rnncap.runs.rows import write_rows as write_rows
