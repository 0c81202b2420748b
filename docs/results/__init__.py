"""The rows of the studies, which `rnncap recommend` answers from."""
