"""Hundreds of models of one shape, trained as one Keras model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_rnncap.datasets.task import untuned
from keras_rnncap.errors import InputError, check_number
from keras_rnncap.population.forward import SHARED_NUMBERS
from keras_rnncap.population.member import Member
from keras_rnncap.population.optimizer import RefreshBases, RowOptimizer
from keras_rnncap.population.rows import MemberRows, PatternTable
from keras_rnncap.population.shuffling import shuffled
from keras_rnncap.training import saturate

BATCH_SIZE = 32
"""Keras' default."""
MEMORY_LIMIT = 4e9
"""Bytes that a step takes by default before members are computed in groups."""
Batches: TypeAlias = Callable[[Sequence[Member], Sequence[int], int], Any]
"""From members, the steps that each has made and a number of steps to that many batches, `(members, batch, ...)`."""


def _in_batches(arrays: tuple[Any, ...], size: int) -> Any:
    """Returns arrays in batches as a `tf.data.Dataset`; that which Keras makes of arrays ends late."""
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(arrays).batch(size, drop_remainder=len(arrays[0]) % size == 0)
    return data.with_options(untuned())


class Population(MemberRows):
    """N models of one shape that train as one Keras model.

    The trainable weights are one matrix, `(members, parameters)`. Losses of members add, so the gradient of a row is
    that of its member alone, and `RowOptimizer` trains each row by its own settings. The cells' own `step` runs on
    tensors with a leading member axis. Members whose models are stateful keep their states from batch to batch.

    Inputs of a step, and targets likewise, are

    - one batch for all members, `(batch, time, input_dim)`, which is not copied; or
    - a batch for each, `(members, batch, time, input_dim)`; or
    - where the population has a `table`, the number of steps to make, as `fit_steps` gives it. In each step a member
      takes the next `batch_size` of the first `patterns` of the table as its static input, in a new order in each epoch
      (`shuffled`).

    Args:
        build: From a member to its Keras model at the start, as `MemberBuilder`: layers `keras.layers.RNN` with cells
            that have a `step`, and a `Dense` readout.
        members: The members.
        table: The patterns from which members draw, if they do.
        memory_limit: Bytes. Where a step of all members needs more, by `memory_needed`, they are computed in groups
            with the same results.

    Raises:
        CannotShareError: If a model is not of that kind, or a cell's `step` computes something else here.
        InputError: If there are no members, their models differ in shape, or a single member needs more than
            `memory_limit`.

    Example:
    >>> from keras_rnncap.population import MemberBuilder
    >>> from keras_rnncap.training import TrainingSettings
    >>> build = MemberBuilder("ugrnn", units=4, input_dim=3, output_dim=1)
    >>> members = [Member(TrainingSettings(steps=20, learning_rate=rate), seed=0) for rate in (0.001, 0.01, 0.1)]
    >>> population = Population(build, members)
    >>> population.compile_population(keras.losses.MeanSquaredError(), steps_per_execution=1)
    >>> history = population.fit(np.ones((8, 5, 3)), np.ones((8, 1)), epochs=20, verbose=0)
    >>> population.steps_done.tolist(), population.member(1).output_shape
    ([20, 20, 20], (None, 1))
    """

    def __init__(
        self,
        build: Callable[[Member], keras.Model],
        members: Sequence[Member],
        table: PatternTable | None = None,
        memory_limit: float = MEMORY_LIMIT,
    ) -> None:
        super().__init__(build, members, table)
        self.memory_limit = check_number("memory_limit", memory_limit, 1.0)
        self._batch_size: int | None = None
        if table is not None:
            self._group_size(table.batch_size, table.length)  # an error now rather than when training starts

    def memory_needed(self, batch_size: int, length: int, members: int | None = None) -> int:
        """Returns an estimate of the bytes that a training step needs with so many members computed at once."""
        activations = (members or len(self.members)) * batch_size * length * self._template.features
        return 4 * (6 * int(np.prod(self.rows.shape)) + activations)

    def _group_size(self, batch_size: int, length: int) -> int:
        """Returns the number of members to compute at once."""
        size = len(self.members)
        while self.memory_needed(batch_size, length, size) > self.memory_limit:
            if size == 1:
                raise InputError(
                    f"memory_limit={self.memory_limit:.3g} bytes is too small: {len(self.members)} members of which "
                    f"one is computed at once need {self.memory_needed(batch_size, length, 1):.3g}; raise it, or take "
                    "fewer members or a smaller batch"
                )
            size = -(-size // 2)
        return size

    def compile_population(
        self, loss: keras.losses.Loss, steps_per_execution: int = 100, jit: bool | None = True
    ) -> None:
        """Compiles with the members' own optimizers.

        Args:
            loss: The loss of one model; members' losses add.
            steps_per_execution: Training steps in one call of the compiled graph.
            jit: Whether to use XLA.
        """
        self._steps_per_call = steps_per_execution
        self._loss_of_one = loss  # not given to Keras, which on JAX would trace the model in every fit to build it
        self.compile(
            RowOptimizer([member.settings for member in self.members], self._groups, *self._template.unit_rows()),
            steps_per_execution=1 if self.table is not None else steps_per_execution,
            jit_compile=jit,
        )
        self.optimizer.build([self.rows])

    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, **options: Any) -> Any:
        """Trains as Keras does; `batch_size` is for arrays."""
        array_batch = batch_size or (BATCH_SIZE if hasattr(x, "__array__") else None)
        if array_batch != self._batch_size:
            self._batch_size, self.train_function = array_batch, None  # it was traced for groups of another size
        options["callbacks"] = [RefreshBases(), *(options.get("callbacks") or ())]
        plain = y is not None and not {"sample_weight", "validation_split"} & {*options}
        in_order = not options.get("shuffle", True)
        if array_batch and plain and in_order and keras.backend.backend() == "tensorflow":
            x, y, batch_size = _in_batches((x, y), array_batch), None, None
        return super().fit(x, y, batch_size=batch_size, **options)

    def fit_steps(self, steps: int, callbacks: Sequence[keras.callbacks.Callback] = ()) -> None:
        """Trains all members for `steps` steps on patterns of the table; callbacks see batches of several steps."""
        whole, rest = divmod(steps, self._steps_per_call)
        counts: Any = np.array([self._steps_per_call] * whole + [rest] * (rest > 0), "int32")[:, None]
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            counts = tf.data.Dataset.from_tensor_slices(counts[:, None]).with_options(untuned())
            size = None
        else:
            size = 1
        self.fit(counts, batch_size=size, verbose=0, shuffle=False, callbacks=list(callbacks))

    def fit_batches(self, batches: Batches, steps: int) -> None:
        """Trains all members for `steps` steps, each on batches of its own."""
        data = batches(self.members, self.steps_done.tolist(), steps)
        self.fit(data, steps_per_epoch=steps, verbose=0, shuffle=False)

    def train_step(self, *arguments: Any) -> Any:
        """Makes one step, or with a table as many as the data say, each with all groups in turn."""
        step = super().train_step
        x = keras.utils.unpack_x_y_sample_weight(arguments[-1])[0]
        groups = self._groups
        batch, length = (
            (self.table.batch_size, self.table.length)
            if self.table is not None
            else (x.shape[-3] or self._batch_size or 1, x.shape[-2] or 1)  # None where TensorFlow does not know it
        )
        groups.size, groups.index = self._group_size(batch, length), 0
        rounds = groups.count * (1 if self.table is None else ops.sum(ops.cast(x, "int32")))
        if self.table is None and groups.count == 1:
            return step(*arguments)

        # The loop is in the compiled graph, so that memory is allocated once.
        def in_turn(number: Any, *arguments: Any) -> Any:
            groups.index = number % groups.count
            return step(*arguments)

        if keras.backend.backend() == "jax":
            state, data = arguments
            return {}, ops.fori_loop(0, rounds, lambda number, state: in_turn(number, state, data)[1], state)
        import tensorflow as tf

        def once(number: Any) -> Any:
            in_turn(number, *arguments)
            return number + 1

        tf.while_loop(lambda number: number < rounds, once, [0])
        return self.get_metrics_result()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns outputs, `(members, batch, ..., output_dim)`; in training those of the current group."""
        rows, numbers = self._part_of(self.rows, training), self._part_of(self._numbers, training)
        if isinstance(inputs, Mapping):
            return self._template.sequence(rows, numbers, inputs["inputs"], inputs["states"])
        if self.table is None:
            x = self._part_of(inputs, training) if len(inputs.shape) == 4 else inputs
            if not training:
                return self._template.sequence(rows, numbers, x)[0]
            before = tuple(tuple(map(self._groups.part, states)) for states in self._carried) or None
            dropout = tuple(map(self._groups.part, (self._rate, self._seed, self._drawn))) if self._drops else None
            outputs, after = self._template.sequence(rows, numbers, x, before, dropout)
            if self._drops:
                self._groups.add(self._drawn, 1)
            if self._carried:
                for variable, value in zip(keras.tree.flatten(self._carried), keras.tree.flatten(after), strict=True):
                    self._groups.set(variable, value)
            return outputs
        x = ops.swapaxes(ops.take(self._table_inputs, self._places(training), axis=1), 0, 1)
        return self._template.static(rows, numbers, x, self.table.length)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Returns the sum of the members' finite losses, and records each."""
        if self.table is not None:
            y = ops.take(self._table_targets, self._places(training), axis=0)
        elif len(x.shape) == 4:
            y = self._part_of(y, training)
            sample_weight = None if sample_weight is None else self._part_of(sample_weight, training)
        else:
            y = ops.broadcast_to(y, (y_pred.shape[0], *ops.shape(y)))
        temperature = self._part_of(self._temperature, training)
        y_pred = y_pred / ops.reshape(temperature, (-1, *[1] * (len(y_pred.shape) - 1)))
        saturation = self._part_of(self._saturation, training)
        losses = self.member_losses(y, y_pred, saturation, sample_weight)
        if training:
            running = self._part_of(self._steps_left, training) > 0  # the optimizer's own count is not read here on JAX
            self._groups.add(self._loss_sum, ops.where(running, losses[:, None], 0.0))
            self._groups.add(self._loss_count, ops.cast(running, losses.dtype))
            self._groups.add(self._steps_left, -ops.cast(running, losses.dtype))
            if self.table is not None:
                self._groups.add(self._batches, ops.ones((losses.shape[0], 1), "int32"))
        # Where a loss is not finite, the optimizer needs a gradient that is NaN: infinite from sqrt, times 0.
        zeros = 0.0 * ops.sum(self._part_of(self.rows, training), axis=1)
        undefined = ops.sqrt(ops.where(ops.isfinite(losses), 1.0, zeros))
        return ops.sum(ops.where(ops.isfinite(losses), losses, undefined))

    def member_losses(self, y: Any, y_pred: Any, saturation: Any, sample_weight: Any = None) -> Any:
        """Returns the loss of each member, shape `(members,)`, each saturated by its own `(members, 1)`."""
        each = self._loss_of_one.call(y, y_pred)
        axes = tuple(range(1, len(each.shape)))
        each = saturate(each, ops.reshape(saturation, (-1, *[1] * len(axes))))
        if sample_weight is None:
            return ops.mean(each, axis=axes)
        weight = ops.broadcast_to(ops.cast(sample_weight, each.dtype), ops.shape(each))
        return ops.divide_no_nan(ops.sum(each * weight, axis=axes), ops.sum(weight, axis=axes))

    def outputs_on_table(self) -> np.ndarray:
        """Returns every member's outputs for every pattern of the table, `(members, patterns, output_dim)`."""
        assert self.table is not None
        rows, numbers, x = (
            ops.convert_to_tensor(variable) for variable in (self.rows, self._numbers, self._table_inputs)
        )
        return ops.convert_to_numpy(self._template.static(rows, numbers, x, self.table.length))

    def outputs(self, inputs: np.ndarray, states: Any = None) -> tuple[np.ndarray, Any]:
        """Returns every member's outputs for a batch, `(members, batch, ...)`, computed in parts that fit in memory.

        Args:
            inputs: The batch.
            states: The states that stateful members had after the batch before; `None` for zeros.

        Returns:
            The outputs, and the states of stateful members.
        """
        if self.stateful_batch:
            zeros = [tuple(np.zeros(state.shape, "float32") for state in layer) for layer in self._carried]
            return self.predict_on_batch({"inputs": inputs, "states": states or zeros})
        size, length = inputs.shape[:2]
        while size > 1 and self.memory_needed(size, length) - self.memory_needed(0, length) > self.memory_limit:
            size = -(-size // 2)
        parts = [self.predict_on_batch(inputs[first : first + size]) for first in range(0, len(inputs), size)]
        return np.concatenate(parts, axis=1), None

    def _part_of(self, tensor: Any, training: bool) -> Any:
        """Returns the rows of the members that are computed."""
        return self._groups.part(tensor) if training else ops.convert_to_tensor(tensor)

    @property
    def _own_patterns(self) -> Any:
        """Each member's number of patterns, `(members, 1)`."""
        column = SHARED_NUMBERS.index("patterns")
        return ops.cast(ops.convert_to_tensor(self._numbers)[:, column : column + 1], "int32")

    def _places(self, training: bool) -> Any:
        """Returns the indices in the table of each member's next batch, `(members, batch)`."""
        assert self.table is not None
        patterns = self._part_of(self._own_patterns, training)
        return shuffled(self._part_of(self._batches, training), self.table.batch_size, patterns)
