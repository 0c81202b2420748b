from typing import ClassVar

import keras
import numpy as np
import pytest
from cells.reference import array, sigmoid
from contracts.cell_contract import UNITS, CellContract
from contracts.declared_contract import DeclaredCellContract

from keras_rnncap import MLSTMCell, SLSTMCell

KEYS = 3


def gates(i, f, m, empty=False):
    """Beck et al. (2024), eq. 15-17 with a sigmoid forget gate; where a memory is empty, m is i."""
    log_f = np.log(sigmoid(f))
    new = np.where(empty, i, np.maximum(log_f + m, i))
    return np.exp(i - new), np.exp(log_f + m - new), new


class TestSLSTM(CellContract):
    cell = SLSTMCell
    gates = ("i", "f", "z", "o")
    blocks = ("input", "forget", "candidate", "output")
    states = ("h", "c", "n", "m")
    positive = ("n",)
    without_effect = (("bias", 0),)  # it multiplies c and n by the same number
    activations = ("tanh",)

    def equation(self, a, s, x, h, c, n, m):
        i, f, m = gates(a("i", h, x), a("f", h, x) + 0.7, m, n == 0)  # eq. 8-14
        c = f * c + i * s(a("z", h, x))
        n = f * n + i
        return (sigmoid(a("o", h, x)) * c / n, c, n, m)


@pytest.mark.parametrize("bias", [-60.0, -18.0, 0.0, 60.0])
def test_the_first_step_takes_in_what_there_is_whatever_the_input_gate(bias):
    cell = SLSTMCell(
        2,
        learned_initial_state=False,
        bias_initializer={
            "input": keras.initializers.Constant(bias),
            "forget": "zeros",
            "candidate": "ones",
            "output": "zeros",
        },
        kernel_initializer="zeros",
    )
    output = keras.layers.RNN(cell)(np.zeros((1, 1, 3), "float32"))
    np.testing.assert_allclose(output, np.full((1, 2), 0.5 * np.tanh(1.0)), rtol=1e-6)


class TestMLSTM(DeclaredCellContract):
    cell = MLSTMCell
    states = ("h", "memory", "n", "m")
    learned = ("memory",)
    sizes: ClassVar[dict] = {"memory": KEYS * UNITS, "n": KEYS, "m": 1}
    activations = ("linear",)
    constants: ClassVar[dict] = {"keys": KEYS, "forget_bias": 0.7}
    dtypes = ("mixed_bfloat16",)
    shapes: ClassVar[dict] = {
        "key_kernel": ("input", 2 * KEYS),
        "key_bias": (2 * KEYS,),
        "value_kernel": ("input", 2 * UNITS),
        "value_bias": (2 * UNITS,),
        "gate_kernel": ("input", 2),
        "gate_bias": (2,),
    }
    inputs_of = ("key_kernel", "value_kernel", "gate_kernel")
    biases = ("key_bias", "value_bias", "gate_bias")
    options: ClassVar[dict] = {name: name.partition("_")[2] for name in shapes}
    not_drawn = biases

    def equation(self, a, s, x, _h, memory, n, m):
        C = memory.reshape(KEYS, UNITS, -1)  # eq. 19-27, C transposed
        k, q = np.split(a.times("key_kernel", x) + a.bias("key_bias"), 2)
        v, o = np.split(a.times("value_kernel", x) + a.bias("value_bias"), 2)
        i, f = np.split(a.times("gate_kernel", x) + a.bias("gate_bias"), 2)
        i, f, m = gates(i, f + 0.7, m)
        k = k / np.sqrt(KEYS)
        C = f[None] * C + (i * k)[:, None] * v[None]
        n = f * n + i * k
        divisor = np.maximum(np.abs((n * q).sum(axis=0)), np.exp(-m))
        return (sigmoid(o) * s((C * q[:, None]).sum(axis=0) / divisor), C.reshape(KEYS * UNITS, -1), n, m)


@pytest.mark.parametrize("cell", [SLSTMCell, MLSTMCell])
@pytest.mark.parametrize("size", [-200.0, 200.0])
def test_gates_of_any_size_give_finite_outputs_and_gradients(cell, size):
    one = cell(2, seed=0)
    model = keras.Sequential([keras.Input((50, 1)), keras.layers.RNN(one)])
    bias = one.gate_bias if cell is MLSTMCell else one.bias
    bias.assign(np.full(bias.shape, size))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit(np.ones((2, 50, 1)), np.zeros((2, 2)), verbose=0)
    assert all(np.isfinite(array(weight)).all() for weight in one.trainable_weights)
