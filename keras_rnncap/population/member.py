"""The members of a population, and their models."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_rnncap.cells import CellFactory
from keras_rnncap.models import sequence_model
from keras_rnncap.training import TrainingSettings


@dataclasses.dataclass(frozen=True)
class Member:
    """One member: everything in which it may differ from the others.

    Attributes:
        settings: Its optimizer, learning rate and decay, momentum, clipping, l2 and number of steps.
        cell_options: Its cell's arguments: initializers, activation, forget bias.
        readout_options: Its readout's arguments.
        seed: Seed of its weights.
        every_step: Whether it sees static inputs at every time step, or at the first one only.
        patterns: The number of patterns of a table, from the first on, that it draws from.
    """

    settings: TrainingSettings
    cell_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    readout_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    every_step: bool = False
    patterns: int = 1


@dataclasses.dataclass(frozen=True)
class MemberBuilder:
    """Builds the Keras model of a member: `sequence_model` with the arguments that all members share.

    Attributes:
        cell: The cell.
        units: Units of each layer: a number, or one for each layer.
        depth: Number of layers.
        input_dim: Features of the input.
        output_dim: Outputs of the readout.
        return_sequences: Whether to read out at every time step.
        stateful_batch: Samples in a batch of members that keep their states from batch to batch; `None` for others.
    """

    cell: str | CellFactory
    units: int | Sequence[int]
    depth: int = 1
    input_dim: int = 1
    output_dim: int = 1
    return_sequences: bool = False
    stateful_batch: int | None = None

    def __call__(self, member: Member) -> keras.Model:
        """Returns the member's model as it starts."""
        return sequence_model(
            **vars(self),  # named like the arguments
            cell_options=member.cell_options,
            readout_options=member.readout_options,
            dropout=member.settings.dropout,
            seed=member.seed,
        )
