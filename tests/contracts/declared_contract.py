"""What every cell does, for cells whose weights are not three matrices of their blocks."""

from typing import ClassVar

import numpy as np
from cells.reference import Declared, array
from contracts.cell_contract import INPUT_DIM, UNITS, CellContract
from keras import initializers


class DeclaredCellContract(CellContract):
    """The same for a cell whose weights are not three matrices of its blocks.

    `equation` takes the weights by name, see `Declared`.
    """

    shapes: ClassVar[dict] = {}  # of the weights, by name; "input" stands for the width of the input
    inputs_of: ClassVar[tuple] = ()  # those that multiply the input
    biases: ClassVar[tuple] = ()  # those that `use_bias` is for
    size = 0.7  # the standard deviation of weights
    options: ClassVar[
        dict
    ] = {}  # those that the arguments for kernel, recurrent_kernel and bias are for: which of these
    not_drawn: ClassVar[tuple] = ()  # those that start from the same values each time
    blocks_of_matrix: ClassVar[
        dict
    ] = {}  # the cell's blocks, in those of kernel, recurrent_kernel and bias that it has
    constants: ClassVar[dict] = {}

    def weights(self, seed=0, input_dim=INPUT_DIM):
        width = UNITS if self.projects else input_dim
        shapes = {
            name: tuple(width if size == "input" else size for size in shape) for name, shape in self.shapes.items()
        }
        initial = {name: self.sizes.get(name, UNITS) for name in self.learned}
        of_state = ("recurrent_kernel",)
        return Declared(shapes, self.inputs_of, of_state, self.biases, initial, input_dim, width, seed, self.size)

    @property
    def weight_names(self):
        return {*self.shapes, "initial_state"} | ({"projection"} if self.projects else set())

    @property
    def optional(self):
        return list(self.options)

    def option_of(self, name):
        return self.options[name]

    def blocks_of(self, matrix):
        return list(self.blocks_of_matrix.get(matrix, ()))

    def drawn(self, **options):
        """All weights of a new cell that are drawn, as rows of one length."""
        cell = self.make(initial_state_initializer="random_normal", **options)
        cell.build((None, UNITS))
        names = [name for name in [*self.shapes, "initial_state"] if name not in self.not_drawn]
        flat = [1e3 * array(getattr(cell, name)).ravel()[:1] for name in names]
        return np.stack(flat), np.stack(flat)

    def test_blocks_of_an_initializer_with_a_seed_differ(self):
        """They are blocks of one weight: `Weight.blocks`."""
        one = initializers.RandomNormal(seed=7)
        cell = self.make(kernel_initializer=one)
        cell.build((None, UNITS))
        for weight in cell.declare_weights(UNITS):
            if len(weight.blocks) > 1 and weight.initializer is cell.kernel_initializer:
                parts = np.split(array(getattr(cell, weight.name)), len(weight.blocks), axis=-1)
                assert len(np.unique(np.stack(parts), axis=0)) == len(parts)
