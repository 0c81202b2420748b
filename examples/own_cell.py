"""A cell of your own, and what it stores: `rnncap capacity own_cell:LeakyCell` in this folder.

A leaky RNN, h_t = a h_{t-1} + (1 - a) tanh(W^h h_{t-1} + W^x x_t + b), with a fixed leak a.
"""

import keras

from keras_rnncap import RecurrentCell
from keras_rnncap.tuners import measure_capacity


@keras.saving.register_keras_serializable(package="examples")
class LeakyCell(RecurrentCell):
    """The equation is all that a cell needs; weights, dropout, saving and the search space come with the base."""

    blocks = ("hidden",)
    leak = 0.5

    def step(self, x, states, w):
        """One time step: from the states at t - 1 to those at t."""
        (h,) = states
        (a,) = w.of_both(x, h)
        return (self.leak * h + (1 - self.leak) * self.activation(a),)


if __name__ == "__main__":
    result = measure_capacity(LeakyCell, params=100, trials=3, steps=1000, out="runs/leaky", progress=True)
    print(f"{result.bits_per_parameter:.2f} bits per parameter in {result.elapsed_s:.0f} s")
