"""How much a search spends."""

from typing import NamedTuple

from keras_rnncap.errors import InputError


class Profile(NamedTuple):
    """What a search spends by default."""

    trials: int
    steps: int  # training steps of each
    stop_early: bool  # whether trials are stopped that are not in the best third


PROFILES = {
    "smoke": Profile(trials=4, steps=100, stop_early=False),
    "laptop": Profile(trials=60, steps=5_000, stop_early=True),
    "paper": Profile(trials=1_000, steps=50_000, stop_early=False),
}
"""Seconds; minutes on two cores; and the least that Collins et al. (2017) spent."""


def get_profile(name: str) -> Profile:
    """Returns the profile of a name; raises `InputError` if there is none."""
    if name not in PROFILES:
        raise InputError(f"profile must be one of {', '.join(PROFILES)}; got {name!r}")
    return PROFILES[name]
