"""A cell of your own, and what it stores: `rnncap capacity own_cell:LeakyCell` in this folder.

A leaky RNN, h_t = a h_{t-1} + (1 - a) s(W^h h_{t-1} + W^x x_t + b), whose leak a is searched with everything else.
"""

import keras

from keras_rnncap import RecurrentCell
from keras_rnncap.tuners import measure_capacity


@keras.saving.register_keras_serializable(package="examples")
class LeakyCell(RecurrentCell):
    """The base class has the weights, dropout, saving and search space; `declare_weights` can declare others."""

    blocks = ("hidden",)
    searched = {"leak": (0.0, 0.9)}  # noqa: RUF012

    def __init__(self, units, leak=0.5, **kwargs):
        super().__init__(units, **kwargs)
        self.leak = leak

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "leak": self.leak}

    def step(self, x, states, w):
        """One time step: from the states at t - 1 to those at t."""
        (h,) = states
        (a,) = w.of_both(x, h)
        leak = w.number("leak")
        return (leak * h + (1 - leak) * w.activation(a),)


if __name__ == "__main__":
    result = measure_capacity(LeakyCell, params=100, trials=3, steps=1000, out="runs/leaky", progress=True)
    print(f"{result.bits_per_parameter:.2f} bits per parameter in {result.elapsed_s:.0f} s")
