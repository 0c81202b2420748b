from typing import ClassVar

import keras
import numpy as np
import pytest
from cells.reference import array, sigmoid
from cells.test_mut import PROJECTION
from contracts.cell_contract import UNITS
from contracts.declared_contract import DeclaredCellContract

from keras_rnncap import LRUCell, RGLRUCell

NUMBERS = 3


class TestLRU(DeclaredCellContract):
    cell = LRUCell
    states = ("y", "real", "imaginary")
    learned = ("real", "imaginary")
    sizes: ClassVar[dict] = {"real": NUMBERS, "imaginary": NUMBERS}
    activations = ("linear",)
    constants: ClassVar[dict] = {"numbers": NUMBERS}
    more_arguments: ClassVar[dict] = {"smallest": 0.5, "largest": 0.9, "largest_phase": 1.0}
    shapes: ClassVar[dict] = {
        "kernel": ("input", 2 * NUMBERS),
        "output_kernel": (2 * NUMBERS, UNITS),
        "skip": ("input", UNITS),
        "nu": (NUMBERS,),
        "theta": (NUMBERS,),
        "gamma": (NUMBERS,),
    }
    inputs_of = ("kernel", "skip")
    options: ClassVar[dict] = {"kernel": "kernel"}

    def equation(self, a, s, x, _y, real, imaginary):
        B = a["kernel"][:, :NUMBERS] + 1j * a["kernel"][:, NUMBERS:]  # Orvieto et al. (2023), section 3
        C = a["output_kernel"][:NUMBERS] - 1j * a["output_kernel"][NUMBERS:]
        L = np.exp(-np.exp(a.bias("nu")) + 1j * np.exp(a.bias("theta")))
        z = L * (real + 1j * imaginary) + np.exp(a.bias("gamma")) * (B.T @ x)
        return (s((C.T @ z).real + a.times("skip", x)), z.real, z.imag)

    def test_it_starts_on_a_ring_with_states_of_the_size_of_the_input(self):
        cell = LRUCell(4, numbers=4000, smallest=0.5, largest=0.9, largest_phase=1.0, seed=3)
        cell.build((None, 2))
        radius, phase = np.exp(-np.exp(array(cell.nu))), np.exp(array(cell.theta))
        assert 0.5 <= radius.min() < 0.51 < 0.89 < radius.max() <= 0.9
        assert abs(np.mean(radius**2) - (0.25 + 0.81) / 2) < 0.01  # uniform by area
        assert phase.min() < 0.01 < 0.99 < phase.max() <= 1
        np.testing.assert_allclose(np.exp(array(cell.gamma)), np.sqrt(1 - radius**2), rtol=1e-4)

    @pytest.mark.parametrize(("name", "wrong"), [("numbers", 0), ("smallest", -0.1), ("largest", 1.1)])
    def test_a_ring_is_within_the_unit_circle(self, name, wrong):
        with pytest.raises(ValueError, match=f"{name} must be"):
            LRUCell(3, **{name: wrong})


class TestRGLRU(DeclaredCellContract):
    cell = RGLRUCell
    activations = ("linear",)
    more_arguments: ClassVar[dict] = PROJECTION
    projects = True
    shapes: ClassVar[dict] = {"kernel": (UNITS, 2 * UNITS), "bias": (2 * UNITS,), "decay": (UNITS,)}
    inputs_of = ("kernel",)
    biases = ("bias",)
    blocks_of_matrix: ClassVar[dict] = {"kernel": ("recurrence", "input"), "bias": ("recurrence", "input")}
    options: ClassVar[dict] = {"kernel": "kernel", "bias": "bias"}
    not_drawn = ("bias",)

    def equation(self, a, s, x, h):
        r, i = np.split(sigmoid(a.times("kernel", x) + a.bias("bias")), 2)  # De et al. (2024), section 2.4
        kept = np.exp(-8 * np.log1p(np.exp(a.bias("decay"))) * r)
        return (kept * h + np.sqrt(1 - kept**2) * i * s(x),)

    def test_open_gates_keep_nearly_all_at_the_start(self):
        cell = RGLRUCell(2000)
        cell.build((None, 2000))
        kept = np.exp(-8 * np.log1p(np.exp(array(cell.decay).astype("float64"))))
        assert 0.9 <= kept.min() < 0.901 < 0.998 < kept.max() <= 0.9991

    def test_what_is_kept_whole_has_a_finite_gradient(self):
        cell = RGLRUCell(2, input_projection=False)
        cell.build((None, 2))
        cell.decay.assign(np.full(2, -200.0))
        model = keras.Sequential([keras.Input((3, 2)), keras.layers.RNN(cell)])
        model.compile(keras.optimizers.SGD(1.0), "mse")
        model.fit(np.ones((2, 3, 2)), np.zeros((2, 2)), verbose=0)
        assert all(np.isfinite(array(weight)).all() for weight in cell.weights)
