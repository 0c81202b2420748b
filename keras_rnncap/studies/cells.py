"""What every cell of the package holds: bits of random labels, numbers in its state, text; and how easily it trains."""

import functools
import math
from typing import Any, ClassVar

import pandas as pd

from keras_rnncap.analysis.cells_study import DECADES, LEARNED, cells_exhibits
from keras_rnncap.budget import outline, trainable_parameters
from keras_rnncap.cells import CELLS, cell_name, get_cell
from keras_rnncap.datasets import Text8, make_task
from keras_rnncap.errors import InputError
from keras_rnncap.models import sequence_model
from keras_rnncap.studies.blind_gates import TWINS
from keras_rnncap.studies.study import FEW_TRIALS, HELD, Grid, Piece, Study, least_depth, search_piece
from keras_rnncap.studies.trainability import PARENTHESES
from keras_rnncap.studies.whole_state import OUTPUT, whole_state
from keras_rnncap.tuners.spaces import CollinsSpace

LENGTH = 5
"""Time steps of the patterns."""
LARGE = 1_000
"""Parameters from which on a capacity search has half as many trials."""
RATES = f"1e-{DECADES}..1"
"""The learning rates of which those that train are a window."""


def state_numbers(cell: str, units: int) -> int:
    """Returns how many numbers a layer carries from step to step, without an output that its next step does not read.

    Example:
    >>> state_numbers("lstm", 8), state_numbers("+rnn", 8)
    (16, 8)
    """
    return sum(state.size for state in get_cell(cell)(units).declare_states() if state.name != OUTPUT)


def units_for_state(cell: str, numbers: int) -> int:
    """Returns the most units of a layer whose state has at most so many numbers; 0 where one unit has more.

    Example:
    >>> units_for_state("lstm", 65)
    32
    """
    units = 0
    while units < numbers and state_numbers(cell, units + 1) <= numbers:
        units += 1
    return units


class CellsStudy(Study):
    """Every cell of the package at equal training and equal search; at the least depth at which the paper has it.

    Parts, for every cell: `size`, bits per parameter, with the space `row-soap`; `memory`, the error of reconstructing
    64 numbers, seen 8 at a time, from all numbers of the state of one layer; `random`, random settings of appendix A on
    parentheses; `rates`, learning rates at random, all else as by default; and `text`. Part `gates` compares gated
    cells with twins whose gates do not see the state, with inputs at every step. Seeds add to the intervals.
    """

    name = "cells"
    title = "Which cell holds what?"
    source = "beyond the papers"
    differences = (
        "All searches are short: what a cell was not found to do is not shown to be beyond it. The searches of "
        "capacity start near values that store much with the cells of Collins et al.; the later cells start from the "
        "same values, or from those of the paper's family, which were not chosen for them. Inputs of patterns come at "
        "the first step only, except for cells whose read-out depends on the input. Chrono starts (JANET) are for "
        "dependencies of 100 steps, ring starts (LRU) of all radii, whatever the task. Not tried: chrono and ring "
        "starts against others, other numbers of keys and columns of matrix states, normalization around cells."
    )
    profiles: ClassVar = {
        "smoke": Grid(("rnn", "mingru"), (60,), ()),
        "laptop": Grid(tuple(CELLS), (300, 1_000), ()),
        "paper": Grid(tuple(CELLS), (300, 1_000, 3_000), ()),
    }
    stores: ClassVar = {"smoke": (2, 1), "laptop": (16, 100), "paper": (1_000, 300)}
    """Trials of a capacity search, and training steps for each parameter."""
    states: ClassVar = {
        "smoke": ("spread-memory:numbers=4,writes=2,length=3", 2, 20, (4,)),
        "laptop": ("spread-memory", 8, 2_500, (32, 64)),
        "paper": ("spread-memory", 1_000, 50_000, (16, 32, 48, 64, 96)),
    }
    """Task, trials, steps, and numbers of the state."""
    settings: ClassVar = {"smoke": (3, 20, 300), "laptop": (64, 1_000, 5_000), "paper": (1_000, 50_000, 200_000)}
    """Random settings, their steps, and parameters; half as many learning rates."""
    texts: ClassVar = {
        "smoke": {2_000: (2, 20)},
        "laptop": {20_000: (4, 1_000), 100_000: (2, 1_000)},
        "paper": {20_000: (1_000, 50_000), 100_000: (1_000, 50_000)},
    }
    """Trials and steps, by parameters."""

    def pieces(self, grid: Grid, profile: str, seed: int) -> list[Piece]:
        """Returns what is to be run; a cell of which one unit is too large for a point does not have it."""
        pieces = []
        for cell in grid.cells:
            common: dict[str, Any] = {"cell": cell, "depth": least_depth(cell), "seed": seed}
            pieces += [self._capacity(params, profile, common) for params in grid.params]
            pieces += self._gates(min(grid.params), profile, common)
            pieces += self._memory(profile, common)
            pieces += self._trainability(profile, common)
            text = Text8.name if Text8.at_hand() else "python-docs"
            for params, (trials, steps) in self.texts[profile].items():
                settings = {"task": text, "params": params, "trials": trials, "steps": steps, **FEW_TRIALS}
                pieces.append(search_piece(("text", cell, params), {"part": "text"}, **common, **settings))
        return [piece for piece in pieces if _fits(piece)]

    def _gates(self, params: int, profile: str, common: dict[str, Any]) -> list[Piece]:
        """Returns the search of a cell with inputs at every step, and that of its twin, if it has one."""
        cell = common["cell"]
        twins = {True: cell, False: cell_name(TWINS[cell])} if cell in TWINS else {}
        return [
            self._capacity(
                params,
                profile,
                common | {"cell": twin, "changes": {"every_step": True}},
                part="gates",
                of_cell=cell,
                sees_state=sees,
            )
            for sees, twin in twins.items()
        ]

    def _capacity(self, params: int, profile: str, common: dict[str, Any], part: str = "size", **labels: Any) -> Piece:
        trials, steps = self.stores[profile]
        trials = trials if params < LARGE else math.ceil(trials / 2)
        settings: dict[str, Any] = {
            "params": params,
            "trials": trials,
            "steps": steps * params,
            "length": LENGTH,
            "batch_size": 256,
        }
        settings |= {"space": "row-soap", "input_dim": math.ceil(math.log2(10 * params))}
        names = ("capacity" if part == "size" else part, common["cell"].rpartition(":")[2], params)
        return search_piece(names, {"part": part, **labels}, **common, **settings)

    def _memory(self, profile: str, common: dict[str, Any]) -> list[Piece]:
        spec, trials, steps, sizes = self.states[profile]
        task, cell, pieces = make_task(spec), common["cell"], []
        common = common | {"cell": whole_state(cell) if cell in CELLS else cell, "depth": 1}
        model = functools.partial(sequence_model, input_dim=task.input_dim, output_dim=task.output_dim)
        for units, size in {units_for_state(cell, size): size for size in sizes}.items():
            if not units:
                continue
            numbers = state_numbers(cell, units)
            labels = {"part": "memory", "of_cell": cell, "numbers": task.output_dim, "state": numbers, "at_most": size}
            params = trainable_parameters(outline(functools.partial(model, common["cell"], units, 1)))
            settings = {"task": spec, "params": params, "trials": trials, "steps": steps, **FEW_TRIALS}
            pieces.append(search_piece(("memory", cell, numbers), labels, **common, **settings))
        return pieces

    def _trainability(self, profile: str, common: dict[str, Any]) -> list[Piece]:
        count, steps, params = self.settings[profile]
        task = make_task(PARENTHESES[profile])
        # Half of what a model has that knows how frequent the answers are; perfect is 0.
        learned = {"learned_at": LEARNED * task.baselines()["frequencies"]}
        shared: dict[str, Any] = {"task": PARENTHESES[profile], "params": params, "steps": steps, "oracle": "random"}
        shared |= {"stop_early": False, **common}
        held = CollinsSpace(get_cell(common["cell"])).hyperparameters().values | HELD | {"learning_rate": RATES}
        rates: dict[str, Any] = {"trials": math.ceil(count / 2), "changes": held}
        return [
            search_piece(("random", common["cell"]), {"part": "random"} | learned, trials=count, **shared),
            search_piece(("rates", common["cell"]), {"part": "rates"} | learned, **rates, **shared),
        ]

    def of_grid(self, pieces: pd.DataFrame) -> pd.DataFrame:
        """Returns the rows of part `size`."""
        return pieces[pieces["part"] == "size"]

    shown_by = staticmethod(cells_exhibits)


def _fits(piece: Piece) -> bool:
    try:
        piece.check()
    except InputError:
        return False
    return True
