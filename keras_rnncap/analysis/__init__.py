"""Figures: `compute_*` gives the numbers, `plot_*` draws them."""
