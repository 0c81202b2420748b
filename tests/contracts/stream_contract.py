"""What every task on a stream promises besides."""

import itertools
import math

import keras
import numpy as np
import pytest
from contracts.task_contract import TaskContract

from keras_rnncap.datasets import StreamTask, SymbolStream
from keras_rnncap.models import sequence_model


def step_losses(task: StreamTask, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The loss of each step in nats, `(batch, time)`."""
    return task.answers().losses(targets, outputs).reshape(*targets.shape[:2], -1).sum(axis=-1)


class StreamContract(TaskContract):
    """What every task on a stream promises besides."""

    def test_a_window_goes_on_where_the_one_before_it_ended(self, task: StreamTask):
        batches = list(itertools.islice(task.batches(3, seed=1), 3))
        assert task.carries_state
        for (_, targets, *_), (inputs, *_) in itertools.pairwise(batches):
            np.testing.assert_array_equal(inputs[:, 0], task.vectors(targets[:, -1]))
        for inputs, targets, *_ in batches:
            np.testing.assert_array_equal(inputs[:, 1:], task.vectors(targets[:, :-1]))

    def test_the_loss_is_the_mean_of_what_scored_steps_lose(self, task: StreamTask):
        _, targets, *weights = next(task.batches(3, seed=1))
        outputs = np.random.default_rng(0).normal(size=(3, task.length, task.output_dim)).astype("float32")
        losses = step_losses(task, targets, outputs.astype("float64"))
        expected = np.average(losses, weights=weights[0] if weights else None)
        assert float(task.loss()(targets, outputs, *weights)) == pytest.approx(expected, rel=1e-5)

    def test_accuracy_is_the_fraction_of_scored_steps_whose_symbol_is_the_most_likely(self, task: StreamTask):
        model = sequence_model(
            "gru", 3, input_dim=task.input_dim, output_dim=task.output_dim, return_sequences=True, seed=0
        )
        measured = task.measures(model, "validation", limit=700)
        batches = list(task.judged(model, "validation", 700))
        weights = np.concatenate([weight.ravel() for _, _, weight in batches])
        assert ("accuracy" in measured) == isinstance(task, SymbolStream)
        if isinstance(task, SymbolStream):
            right = np.concatenate([(outputs.argmax(axis=-1) == targets).ravel() for targets, outputs, _ in batches])
            assert measured["accuracy"] == pytest.approx(np.average(right, weights=weights))

    def test_all_epochs_are_as_long(self, task: StreamTask):
        streams = [task.stream("train", seed, epoch) for seed, epoch in ((0, 0), (0, 1), (3, 2))]
        assert len({len(entries) for entries, _ in streams}) == 1
        assert not np.array_equal(streams[0][0], streams[1][0])
        for entries, weights in streams:
            assert weights is None or len(weights) == len(entries)

    def test_an_epoch_reads_every_row_once(self, task: StreamTask):
        count = task.windows_per_epoch(4)
        batches = itertools.islice(task.batches(4, seed=1), count)
        rows = np.concatenate([targets for _, targets, *_ in batches], axis=1)
        entries, _ = task.stream("train", 1, 0)
        width = count * task.length
        np.testing.assert_array_equal(rows.reshape(-1, *entries.shape[1:]), entries[1 : 4 * width + 1])
        assert len(entries) - 1 - 4 * width < 4 * task.length

    @pytest.mark.parametrize("stateful", [False, True])
    def test_the_score_reads_every_step_once_and_keeps_the_state(self, task: StreamTask, stateful):
        model = sequence_model(
            "gru", 3, input_dim=task.input_dim, output_dim=task.output_dim, return_sequences=True, seed=0,
            stateful_batch=20 if stateful else None,
        )  # fmt: skip
        score = task.score(model, "validation", limit=1000)
        assert score == task.score(model, "validation", limit=1000)  # the state is reset
        entries, weights = task._stream("validation", None, 0)
        total = min(1000, len(entries) - 1)
        width = math.ceil(math.ceil(total / 20) / 35) * 35
        # The same with one long window for each row; where the state is not kept, with one for each 35 steps.
        plain = sequence_model(
            "gru", 3, input_dim=task.input_dim, output_dim=task.output_dim, return_sequences=True, seed=0,
            cell_options={"learned_initial_state": False} if stateful else None,
        )  # fmt: skip
        plain.set_weights([keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights])
        lost, counted = 0.0, 0.0
        for start in range(0, total, width):
            for first in range(start, min(start + width, total), width if stateful else 35):
                stop = min(first + (width if stateful else 35), total, start + width)
                outputs = keras.ops.convert_to_numpy(plain(task.vectors(entries[None, first:stop])))
                weight = np.ones(stop - first) if weights is None else weights[first + 1 : stop + 1]
                losses = step_losses(task, entries[None, first + 1 : stop + 1], outputs.astype(float))
                lost, counted = lost + (losses[0] * weight).sum(), counted + weight.sum()
        assert score == pytest.approx(task.score_of(lost / counted), rel=1e-4)
