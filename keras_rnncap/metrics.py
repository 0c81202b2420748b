"""Information in bits as a Keras metric, for any `model.compile(metrics=[...])`."""

import math
from typing import Any, Literal, get_args

import keras
from keras import ops

from keras_rnncap.errors import InputError, check_flag

Kind = Literal["binary", "categorical", "regression"]


@keras.saving.register_keras_serializable(package="keras_rnncap")
class MutualInformationBits(keras.metrics.Metric):
    """What a model has captured of its targets, at least, in bits for each sample, or each time step.

        I(input; target) >= H - C                                       binary and categorical targets
        I(input; target) >= 1/2 log2(variance / mean squared error)     numbers

    with the entropy H of the targets' frequencies and the cross-entropy C of the outputs; 0 where the bound is
    negative. Those of several binary targets, or of several numbers, are added. Source, assumptions and bias are those
    of `prediction_bits` and `reconstruction_bits` in `keras_rnncap.information`; look at `val_mutual_information_bits`,
    as they are about samples that the model was not trained on. Batches add up exactly.

    Args:
        kind: `"binary"`: targets 0 or 1, an output for each; `"categorical"`: class numbers, or one-hot vectors of the
            outputs' shape; `"regression"`: numbers, an output for each. Any other is an `InputError`.
        from_logits: Whether outputs are logits rather than probabilities; numbers are neither.
        name, dtype: As for Keras' metrics.

    Call arguments:
        y_true: Targets, `(batch, ..., outputs)`; where that is one, or of class numbers, also `(batch, ...)`.
        y_pred: Outputs, `(batch, ..., outputs)`.
        sample_weight: Weights of samples or time steps, `(batch,)` or `(batch, ...)`. The outputs' mask counts, too.

    Example:
    >>> metric = MutualInformationBits("categorical", from_logits=True)
    >>> metric.update_state([0, 1, 1, 0], [[20.0, 0.0], [0.0, 20.0], [0.0, 20.0], [20.0, 0.0]])
    >>> round(float(metric.result()), 4)
    1.0
    """

    def __init__(
        self, kind: Kind, from_logits: bool = False, name: str = "mutual_information_bits", dtype: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if kind not in get_args(Kind):
            raise InputError(f"kind must be one of {', '.join(get_args(Kind))}; got {kind!r}")
        self.kind, self.from_logits = kind, check_flag("from_logits", from_logits)
        self._direction = "up"
        self._sums: dict[str, Any] = {}

    def _build(self, outputs: int) -> None:
        """Makes the sums of each column: counts of classes, or moments, which Chan et al. (1983) add so."""
        columns, classes = (1, outputs) if self.kind == "categorical" else (outputs, 2)
        moments = {"mean": (columns,), "squares": (columns,)}
        shapes = {"weight": (), "losses": (columns,)}
        shapes |= moments if self.kind == "regression" else {"counts": (columns, classes)}
        self._sums = {name: self.add_variable(shape, "zeros", name=name) for name, shape in shapes.items()}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch."""
        mask = getattr(y_pred, "_keras_mask", None)
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.cast(ops.convert_to_tensor(y_pred), self.dtype)
        if not self._sums:
            self._build(y_pred.shape[-1])
        weights = self._rows(sample_weight, y_pred) * self._rows(mask, y_pred)
        outputs = ops.reshape(y_pred, (-1, y_pred.shape[-1]))
        if self.kind == "categorical" and not (len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] != 1):
            y_true = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), y_pred.shape[-1])
        targets = ops.cast(ops.reshape(y_true, (-1, y_pred.shape[-1])), self.dtype)
        if self.kind == "regression":
            self._add_moments(targets, weights)
        else:
            classes = targets[:, None] if self.kind == "categorical" else ops.stack([1 - targets, targets], axis=-1)
            self._sums["counts"].assign_add(ops.tensordot(weights, classes, 1))
        self._sums["losses"].assign_add(ops.matmul(weights, self._losses(targets, outputs)))
        self._sums["weight"].assign_add(ops.sum(weights))

    def _rows(self, weights: Any, y_pred: Any) -> Any:
        """Returns weights, one where they are `None`, as `(rows,)`."""
        weights = ops.cast(ops.convert_to_tensor(1.0 if weights is None else weights), self.dtype)
        if len(weights.shape) == len(y_pred.shape):
            weights = ops.squeeze(weights, axis=-1)
        while len(weights.shape) < len(y_pred.shape) - 1:
            weights = ops.expand_dims(weights, -1)
        return ops.reshape(ops.broadcast_to(weights, ops.shape(y_pred)[:-1]), (-1,))

    def _losses(self, targets: Any, outputs: Any) -> Any:
        """Returns cross-entropies in nats, or squared errors, `(rows, columns)`."""
        if self.kind == "regression":
            return ops.square(targets - outputs)
        least = keras.config.epsilon()
        if self.kind == "binary":
            if self.from_logits:
                return ops.softplus(outputs) - targets * outputs
            p = ops.clip(outputs, least, 1 - least)
            return -targets * ops.log(p) - (1 - targets) * ops.log(1 - p)
        if self.from_logits:
            logs = ops.log_softmax(outputs)
        else:
            logs = ops.log(ops.maximum(outputs / ops.sum(outputs, axis=-1, keepdims=True), least))
        return -ops.sum(targets * logs, axis=-1, keepdims=True)

    def _add_moments(self, targets: Any, weights: Any) -> None:
        new, before = ops.sum(weights), ops.convert_to_tensor(self._sums["weight"])
        mean = ops.matmul(weights, targets) / ops.maximum(new, 1e-30)
        change, part = mean - self._sums["mean"], new / ops.maximum(before + new, 1e-30)
        within = ops.matmul(weights, ops.square(targets - mean))
        self._sums["squares"].assign_add(within + ops.square(change) * before * part)
        self._sums["mean"].assign_add(change * part)

    def result(self) -> Any:
        """Returns the bits."""
        if not self._sums:
            return ops.zeros((), self.dtype)
        weight = ops.maximum(self._sums["weight"], 1e-30)
        losses = self._sums["losses"] / weight
        if self.kind == "regression":
            variances = self._sums["squares"] / weight
            least = ops.maximum(2.0**-46 * variances, 1e-30)  # what float32 cannot tell from no error
            nats = ops.log(ops.maximum(variances, least) / ops.maximum(losses, least)) / 2
        else:
            p = self._sums["counts"] / weight
            nats = -ops.sum(p * ops.log(ops.where(p > 0, p, 1.0)), axis=-1) - losses
        return ops.sum(ops.maximum(nats, 0.0)) / math.log(2)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "kind": self.kind, "from_logits": self.from_logits}
