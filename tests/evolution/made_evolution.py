"""Results of architectures that were never trained."""

import hashlib

import numpy as np

from keras_rnncap.evolution.worker import Trained


class FakeEngine:
    """Stands for training: results follow from the piece, and pieces end in random order; it may be interrupted."""

    def __init__(self, seed=0, stops_after=None):
        self._rng, self._left, self._waiting = np.random.default_rng(seed), stops_after, []
        self.did = []

    def submit(self, piece):
        self._waiting.append(piece)

    def completed(self):
        if self._left == 0:
            raise KeyboardInterrupt
        if self._left is not None:
            self._left -= 1
        piece = self._waiting.pop(int(self._rng.integers(len(self._waiting))))
        self.did.append(piece)
        return piece, self.result(piece)

    @staticmethod
    def result(piece):
        drawn = [
            np.random.default_rng(int(hashlib.sha256(f"{piece.graph} {piece.problem} {seed}".encode()).hexdigest(), 16))
            for seed in piece.seeds
        ]
        accuracy = np.array([rng.uniform(0.4, 1.0) for rng in drawn])
        diverged = np.array([rng.random() < 0.1 for rng in drawn])
        epochs = np.array([int(rng.integers(1, 9)) for rng in drawn])
        nothing = np.where(diverged, np.nan, accuracy)
        return Trained(np.where(diverged, 0.0, accuracy), -nothing, nothing, epochs, diverged, 0.5)

    def cancel(self):
        self._waiting = []
