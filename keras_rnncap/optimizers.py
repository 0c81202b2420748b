"""RowSOAP: Adam in the eigenbasis of each output unit's gradients, and the learning rate that goes with it."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_rnncap.errors import check_flag, check_integer, check_number

BETA_2, EPSILON, REFRESH_EVERY, LARGEST_BLOCK = 0.999, 1e-7, 500, 1024
EARLY = (20, 40, 80, 160, 320, 640)


def unit_blocks(variables: Sequence[tuple[str, tuple[int, ...]]], largest: int = LARGEST_BLOCK) -> list[np.ndarray]:
    """Returns which parameters share a preconditioner: for each output unit of a layer, all that it is made of.

    Weights of one layer whose last axes are equally long, such as a kernel, a recurrent kernel and a bias, are taken
    together: a block holds all their entries at one place of that axis. A learned initial state is a block of its own.

    Args:
        variables: Path, such as `"rnn/gru_cell/kernel"`, and shape of each weight.
        largest: Blocks longer than this are divided into single parameters, for which RowSOAP is Adam.

    Returns:
        Arrays of shape `(blocks, length)`: places in the vector of all weights, each raveled, one after the other.

    Example:
    >>> [places.shape for places in unit_blocks([("dense/kernel", (3, 2)), ("dense/bias", (2,))])]
    [(2, 4)]
    """
    groups: defaultdict[tuple[str, int], list[np.ndarray]] = defaultdict(list)
    start = 0
    for path, shape in variables:
        size = math.prod(shape)
        layer, _, name = path.rpartition("/")
        places = np.arange(start, start + size, dtype="int32")
        start += size
        if name.startswith("initial_state"):
            groups[path, 1].append(places[:, None])
        else:
            width = shape[-1] if shape else 1
            groups[layer, width].append(places.reshape(-1, width))
    blocks = (np.concatenate(places).T for places in groups.values())
    return [places if places.shape[1] <= largest else places.reshape(-1, 1) for places in blocks]


def identities(shape: tuple[int, ...], dtype: Any = None) -> Any:
    """Returns identity matrices: the first bases, as an initializer."""
    return ops.broadcast_to(ops.eye(shape[-1], dtype=dtype), shape)


def is_refreshed(step: Any, refresh_every: int = REFRESH_EVERY) -> Any:
    """Returns whether bases are computed anew at a step, from 1: at 20, 40, 80, ..., 640 and every `refresh_every`."""
    due = step % refresh_every == 0
    for early in EARLY:
        due = due | (step == early)
    return due


def last_refresh(steps: np.ndarray) -> np.ndarray:
    """Returns the last step up to `steps` at which bases are computed anew, 0 where there is none."""
    early = np.array([0, *EARLY])
    return np.maximum(early[np.searchsorted(early, steps, side="right") - 1], steps // REFRESH_EVERY * REFRESH_EVERY)


def rotated_step(
    gradient: Any, first: Any, second: Any, moment: Any, basis: Any, step: Any, beta_1: Any, beta_2: float = BETA_2
) -> tuple[Any, Any, Any, Any]:
    """Returns the direction of a step, and the moments after it; see `RowSOAP`.

    Args:
        gradient: Gradients of blocks, shape `(..., length)`.
        first: Their mean m, of the same shape.
        second: The mean of the squares of rotated gradients v, of the same shape.
        moment: The mean of outer products S, shape `(..., length, length)`.
        basis: Q, of the same shape: eigenvectors are columns.
        step: Steps with this one.
        beta_1: Decay of m.
        beta_2: Decay of v and S.
    """
    first = first + (1 - beta_1) * (gradient - first)
    moment = moment + (1 - beta_2) * (gradient[..., :, None] * gradient[..., None, :] - moment)
    rotated = ops.matmul(ops.stack([gradient, first], axis=-2), basis)
    second = second + (1 - beta_2) * (ops.square(rotated[..., 0, :]) - second)
    scale = ops.sqrt(second / (1 - beta_2**step)) + EPSILON
    along = rotated[..., 1, :] / (1 - beta_1**step) / scale
    return ops.matmul(basis, along[..., None])[..., 0], first, second, moment


def refreshed(second: Any, moment: Any) -> tuple[Any, Any]:
    """Returns v and Q anew, from the eigenvalues and eigenvectors of S; where S is not finite, it stays as it is."""
    finite = ops.all(ops.isfinite(moment), axis=(-2, -1))
    safe = ops.where(finite[..., None, None], moment, ops.zeros_like(moment))
    values, vectors = ops.linalg.eigh(safe)
    return ops.where(finite[..., None], ops.maximum(values, 0.0), second), vectors


@keras.saving.register_keras_serializable("keras_rnncap")
class RowSOAP(keras.optimizers.Optimizer):
    """Adam in the eigenbasis of each output unit's gradients: SOAP (Vyas et al. 2024) on the rows of a layer.

    A row holds all weights of one output unit of a layer, in a recurrent cell of one gate of one unit: its recurrent
    weights, input weights and bias (`unit_blocks`). With the gradient g of a row,

        S <- 0.999 S + 0.001 g g^T
        m <- beta_1 m + (1 - beta_1) g
        v <- 0.999 v + 0.001 (Q^T g)^2
        w <- w - rate Q (Q^T m' / (sqrt(v') + 1e-7))       m', v': divided by 1 - beta^t, as in Adam

    where Q are the eigenvectors of S at steps 20, 40, 80, ..., 640 and every `refresh_every`; there v becomes the
    eigenvalues of S. Before that Q is the identity, and a step is Adam's. A step takes 1.3 to 2 times as long as one
    of Adam for rows of a few dozen weights (docs/training.md); memory is twice `length` numbers for each parameter.

    All gradients of a step are needed at once: it does not work with a distribution strategy of several replicas.

    Args:
        learning_rate: A number or a schedule, such as `Decay`.
        beta_1: Decay of the mean of gradients.
        refresh_every: Steps between two eigen-decompositions.
        largest_block: Rows with more weights than this are trained by Adam.
        weight_decay: Factor of the weights, times the learning rate, that each step takes off.
        clipnorm: As for all Keras optimizers; so for the next two.
        clipvalue: The same.
        global_clipnorm: The same.
        name: Its name.
        **options: What else all Keras optimizers take.

    Raises:
        InputError: If a number is out of range.

    Example:
    >>> model = keras.Sequential([keras.Input((5, 3)), keras.layers.GRU(4), keras.layers.Dense(1)])
    >>> model.compile(RowSOAP(Decay(0.03, steps=1000), weight_decay=1e-3), "mse")
    >>> history = model.fit(np.ones((8, 5, 3)), np.ones((8, 1)), epochs=2, verbose=0)
    >>> [tuple(moment.shape) for moment in model.optimizer.moments]
    [(12, 9, 9), (1, 5, 5)]
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.01,
        beta_1: float = 0.9,
        refresh_every: int = REFRESH_EVERY,
        largest_block: int = LARGEST_BLOCK,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str = "row_soap",
        **options: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            name=name,
            **options,
        )
        self.beta_1 = check_number("beta_1", beta_1, 0.0, 1.0 - 1e-9)
        self.refresh_every = check_integer("refresh_every", refresh_every, 1)
        self.largest_block = check_integer("largest_block", largest_block, 1)
        self._gradients: dict[int, Any] = {}
        self._awaited = 0

    def build(self, variables: Sequence[Any]) -> None:
        """Creates the moments."""
        if self.built:
            return
        super().build(variables)
        self._blocks = unit_blocks([(v.path, tuple(v.shape)) for v in variables], self.largest_block)
        self._order = np.argsort(np.concatenate([places.ravel() for places in self._blocks]))
        ends = np.cumsum([math.prod(v.shape) for v in variables])
        self._of_blocks = [{*np.searchsorted(ends, places.ravel(), side="right").tolist()} for places in self._blocks]
        self.first = [self._kept("first_moment", places.shape) for places in self._blocks]
        self.second = [self._kept("second_moment", places.shape) for places in self._blocks]
        self.moments = [self._kept("moment", (*places.shape, places.shape[1])) for places in self._blocks]
        self.bases = [self._kept("basis", (*places.shape, places.shape[1]), identities) for places in self._blocks]

    def _kept(self, name: str, shape: tuple[int, ...], initializer: Any = "zeros") -> Any:
        return self.add_variable(shape, initializer, dtype="float32", name=name)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Takes a step; a weight without a gradient counts as one with a gradient of zero.

        Weights that are not among `trainable_variables` stay, and so do the moments of rows with nothing else.
        """
        self._gradients.clear()
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        self._awaited = len(variables)
        grads = [
            ops.zeros_like(v) if g is None else ops.convert_to_tensor(g) for g, v in zip(grads, variables, strict=True)
        ]
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Keeps a weight's gradient; with the last one, all weights move."""
        self._gradients[self._get_variable_index(variable)] = ops.cast(gradient, "float32")
        if len(self._gradients) == self._awaited:
            self._update(learning_rate)
            self._gradients.clear()

    def _update(self, learning_rate: Any) -> None:
        step = self.iterations + 1
        given = self._gradients
        gradients = ops.concatenate(
            [
                ops.ravel(given[place]) if place in given else ops.zeros((math.prod(variable.shape),))
                for place, variable in enumerate(self._trainable_variables)
            ]
        )
        directions = []
        for state, places in enumerate(self._blocks):
            if not self._of_blocks[state] & {*given}:
                directions.append(ops.zeros((places.size,)))
                continue
            first, second, moment, basis = (kept[state] for kept in (self.first, self.second, self.moments, self.bases))
            direction, new_first, new_second, new_moment = rotated_step(
                ops.take(gradients, places), first, second, moment, basis, ops.cast(step, "float32"), self.beta_1
            )
            new_second, new_basis = ops.cond(
                is_refreshed(step, self.refresh_every),
                lambda v=new_second, s=new_moment: refreshed(v, s),
                lambda v=new_second, q=basis: (v, ops.convert_to_tensor(q)),
            )
            for variable, value in zip(
                (first, second, moment, basis), (new_first, new_second, new_moment, new_basis), strict=True
            ):
                self.assign(variable, value)
            directions.append(ops.ravel(direction))
        step_taken = ops.take(ops.concatenate(directions), self._order)
        start = 0
        for place, variable in enumerate(self._trainable_variables):
            size = math.prod(variable.shape)
            if place in given:
                part = ops.reshape(step_taken[start : start + size], variable.shape)
                self.assign_sub(variable, ops.cast(learning_rate * part, variable.dtype))
            start += size

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {
            "beta_1": self.beta_1,
            "refresh_every": self.refresh_every,
            "largest_block": self.largest_block,
        }


@keras.saving.register_keras_serializable("keras_rnncap")
class Decay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that falls exponentially, after a warm-up and linearly to zero as well where these are asked for.

    With f = t / N, t from 0, it is `rate * decay^f * min(1, (f + 1 / N) / warmup) * (1 - f)`; the last two factors only
    where they are asked for.

    Args:
        rate: The learning rate at the start, without a warm-up.
        steps: N, all training steps.
        decay: What is left of it in the end, in (0, 1]; Collins et al. (2017) have this factor alone.
        warmup: The part of the steps in which it rises, in [0, 1].
        linear: Whether there is the factor `1 - f`.

    Example:
    >>> schedule = Decay(1.0, steps=100, decay=1.0, warmup=0.05, linear=True)
    >>> [round(float(schedule(step)), 2) for step in (0, 1, 5, 50, 100)]
    [0.2, 0.4, 0.95, 0.5, 0.0]
    """

    def __init__(self, rate: float, steps: int, decay: float = 0.05, warmup: float = 0.0, linear: bool = False) -> None:
        self.rate = check_number("rate", rate, 0.0)
        self.steps = check_integer("steps", steps, 1)
        self.decay = check_number("decay", decay, 1e-12, 1.0)
        self.warmup = check_number("warmup", warmup, 0.0, 1.0)
        self.linear = check_flag("linear", linear)

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step, from 0."""
        step = ops.cast(step, "float32")
        return self.rate * rate_factor(step, self.steps, math.log(self.decay), self.warmup, float(self.linear))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {name: getattr(self, name) for name in ("rate", "steps", "decay", "warmup", "linear")}


def rate_factor(step: Any, steps: Any, log_decay: Any, warmup: Any, linear: Any) -> Any:
    """Returns what a rate is multiplied by at a step, from 0; see `Decay`. `linear` is 1 where it falls linearly."""
    part = step / steps
    rise = ops.where(warmup > 0, ops.minimum(1.0, (step + 1.0) / ops.maximum(steps * warmup, 1e-12)), 1.0)
    return ops.exp(log_decay * part) * rise * (1.0 - linear * ops.minimum(part, 1.0))
