"""Finds a study by name."""

from __future__ import annotations

from keras_rnncap.errors import unknown
from keras_rnncap.studies.study import Study

STUDIES: dict[str, type[Study]] = {}
"""All studies that `keras_rnncap.studies` exports, by name."""


def get_study(name: str) -> Study:
    """Returns the study of this name.

    Raises:
        InputError: If there is none.

    Example:
    >>> get_study("capacity").source
    'Collins et al. 2017, figures 1, 2a, 2b and App.1'
    """
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    return STUDIES[name]()
