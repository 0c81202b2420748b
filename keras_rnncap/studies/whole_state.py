"""Every cell once more, with its whole state as output: to read what it holds."""

from typing import Any

import keras

from keras_rnncap.cells import CELLS, CellWeights, RecurrentCell, State

OUTPUT = "output"
"""The name of an output that the next step does not read, among the states of a cell."""


def with_whole_state(cell: type[RecurrentCell]) -> type[RecurrentCell]:
    """Returns a cell whose output has all numbers of the state that its next step reads, matrices row by row.

    Example:
    >>> tuple(keras.layers.RNN(with_whole_state(CELLS["lstm"])(4))(np.ones((32, 10, 8))).shape)
    (32, 8)
    """

    # mypy has no classes whose base is a variable.
    class WholeState(cell):  # type: ignore[valid-type, misc]
        def declare_states(self) -> list[State]:
            states = super().declare_states()
            size = sum(state.size for state in states if state.name != OUTPUT)
            return [State("whole", (size,), learned=False), *states]

        def step(self, x: Any, states: tuple[Any, ...], w: CellWeights) -> tuple[Any, ...]:
            new = super().step(x, states[1:], w)
            named = zip(self.declare_states()[1:], new, strict=True)
            return (w.join(*(w.vector(part) for state, part in named if state.name != OUTPUT)), *new)

    WholeState.__name__ = WholeState.__qualname__ = cell.__name__
    WholeState.__module__ = __name__
    registered: type[RecurrentCell] = keras.saving.register_keras_serializable("keras_rnncap.whole_state")(WholeState)
    return registered


def whole_state(cell: str) -> str:
    """Returns the name by which `get_cell` finds the cell of a name with its whole state as output.

    Example:
    >>> whole_state("mlstm")
    'keras_rnncap.studies.whole_state:MLSTMCell'
    """
    return f"{__name__}:{CELLS[cell].__name__}"


globals().update({cell.__name__: with_whole_state(cell) for cell in CELLS.values()})
