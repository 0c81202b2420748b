"""Which trial trains in which place of which population."""

import itertools
from collections.abc import Hashable, Iterator
from typing import Generic, NamedTuple, TypeAlias, TypeVar

Trial = TypeVar("Trial")
Key: TypeAlias = tuple[Hashable, int]
"""A population: the shape of its members, and which of the populations of that shape."""


class Place(NamedTuple):
    """Where a trial trains."""

    key: Key
    slot: int
    size: int  # slots of the population


class Schedule(Generic[Trial]):
    """Populations of trials of one shape each, whose sizes follow from the places of their trials alone.

    The last digits of what a trial computes depend on the size of its population, and must be the same when a search
    goes on after an interrupt; places are kept with the states of trials. Empty populations are forgotten at once.
    Populations have the largest size or, where they are elastic, as many slots as they need: the next power of two, or
    twice as many where they had so many before.

    Example:
    >>> schedule = Schedule(largest=4, elastic=True)
    >>> for trial in "abc":
    ...     schedule.put(trial, shape="wide")
    >>> schedule.put("d", shape="deep")
    >>> schedule.settle()
    >>> schedule.groups
    {('wide', 0): ['a', 'b', 'c', None], ('deep', 0): ['d']}
    """

    def __init__(self, largest: int, elastic: bool) -> None:
        self.largest, self.elastic = largest, elastic
        self.groups: dict[Key, list[Trial | None]] = {}

    def __iter__(self) -> Iterator[tuple[Trial, Place]]:
        """Yields all trials and where they are."""
        for key, group in self.groups.items():
            for slot, trial in enumerate(group):
                if trial is not None:
                    yield trial, Place(key, slot, len(group))

    def put(self, trial: Trial, shape: Hashable, had: tuple[int, int] | None = None) -> None:
        """Gives a trial a place: the one that it `had` before, as `kept` returned it, if that is free."""
        if had is not None:
            number, slot = divmod(had[0], self.largest)
            group = self.groups.setdefault((shape, number), [])
            group += [None] * (max(min(had[1], self.largest), slot + 1) - len(group))
            if group[slot] is None:
                group[slot] = trial
                return
        for number in itertools.count():
            group = self.groups.setdefault((shape, number), [])
            if None not in group and len(group) < self.largest:
                group.append(None)
            if None in group:
                group[group.index(None)] = trial
                return

    def drop(self, trial: Trial) -> None:
        """Takes a trial out."""
        key, group = next((key, group) for key, group in self.groups.items() if trial in group)
        group[group.index(trial)] = None
        if all(place is None for place in group):
            del self.groups[key]

    def settle(self) -> None:
        """Gives all populations the sizes that they need."""
        for group in self.groups.values():
            trials = [trial for trial in group if trial is not None]
            least = min(1 << (len(trials) - 1).bit_length(), self.largest) if self.elastic else self.largest
            size = len(group) if self.elastic and least <= len(group) <= 2 * least else least
            if size < len(group):
                group[:] = trials
            group += [None] * (size - len(group))

    def kept(self, place: Place) -> tuple[int, int]:
        """Returns a place as `put` takes it: its slot among all of its shape, and the population's size."""
        return place.key[1] * self.largest + place.slot, place.size
