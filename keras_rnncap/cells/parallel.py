"""All time steps at once, for cells that are linear in their state."""

from typing import Any

import keras
from keras import ops

from keras_rnncap.cells.algebra import OneModel
from keras_rnncap.cells.base import RecurrentCell
from keras_rnncap.errors import InputError


@keras.saving.register_keras_serializable(package="keras_rnncap")
class ParallelRNN(keras.layers.RNN):
    """`keras.layers.RNN` of a cell with a parallel form, `scan`: the same weights and outputs, without a loop.

    With masks, with dropout while training, and with TensorFlow where the number of time steps is not known before it
    runs, it runs the loop.

    Args:
        cell: A `RecurrentCell` that defines `scan`; any other is an `InputError`.
        **kwargs: As for `keras.layers.RNN`.
    """

    def __init__(self, cell: RecurrentCell, **kwargs: Any) -> None:
        if not isinstance(cell, RecurrentCell) or type(cell).scan is RecurrentCell.scan:
            raise InputError(f"cell must be a RecurrentCell with a parallel form, scan; got {type(cell).__name__}")
        super().__init__(cell, **kwargs)

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> tuple[Any, ...]:
        """Returns the last output, the outputs and the last states, as Keras' own loop does."""
        cell = self.cell
        dropped = training and (cell.dropout or cell.recurrent_dropout)
        if mask is not None or dropped or sequences.shape[1] is None:
            return super().inner_loop(sequences, initial_state, mask, training)
        w = OneModel(cell)
        xs = cell.project(ops.flip(sequences, axis=1) if self.go_backwards else sequences, w)
        states = cell.scan(xs, cell.shaped(initial_state), w)
        batch, length = ops.shape(sequences)[:2]
        sizes = [state.size for state in cell.declare_states()]
        flat = [ops.reshape(state, (batch, length, size)) for state, size in zip(states, sizes, strict=True)]
        return flat[0][:, -1], flat[0], [state[:, -1] for state in flat]
