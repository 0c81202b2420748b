"""What proposes trials: a Gaussian-process bandit, and KerasTuner's own oracles behind one way to make them."""
