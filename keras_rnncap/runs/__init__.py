"""The folder of a run, its files and its rows."""

from keras_rnncap.runs.files import (
    check_kinds,
    disk_trouble,
    read_json,
    remove_leftovers,
    replacing,
    temporary_folder,
    write_json,
)
from keras_rnncap.runs.folder import IDENTITY, LOCK, RunDirectory
from keras_rnncap.runs.rows import COMPLETED, INFEASIBLE, append_rows, read_rows, write_rows

__all__ = [
    "COMPLETED",
    "IDENTITY",
    "INFEASIBLE",
    "LOCK",
    "RunDirectory",
    "append_rows",
    "check_kinds",
    "disk_trouble",
    "read_json",
    "read_rows",
    "remove_leftovers",
    "replacing",
    "temporary_folder",
    "write_json",
    "write_rows",
]
