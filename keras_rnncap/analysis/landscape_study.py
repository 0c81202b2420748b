"""The surface of the loss: figures 7 to 10 of Mehta, and what they say."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_rnncap.analysis.exhibits import Exhibits, StudyRows
from keras_rnncap.analysis.initializations_study import GRU, KEYS, PAPER_CELLS, RNN, completed, of_part
from keras_rnncap.analysis.landscape_claims import (
    SHAPE,
    SOLUTION,
    claim_equal_frequency,
    claim_little_change,
    claim_return,
    claim_robust,
    claim_same_accuracies,
    claim_smoother,
    claim_straighter,
    shape_text,
)
from keras_rnncap.analysis.style import cell_color, new_figure, new_grid, plain
from keras_rnncap.dynamics import roughness

MEASURES = ["roughness", "mean change", "mean cosine", "epochs"]
"""Of the path of a training."""
TOP = 1e-4
"""The share of untrained settings that are the best."""
BINS = 50
"""Of histograms of accuracies."""


def compute_distances(untrained: pd.DataFrame) -> pd.DataFrame:
    """Returns how the accuracies of untrained RNNs and GRUs are distributed at each shape, and how far apart.

    The distance is Kolmogorov and Smirnov's: the largest difference of the two distribution functions. `top`: the
    accuracy that one setting in 10,000 reaches.
    """
    table = []
    for (word_dim, units), shape in untrained.groupby(["word_dim", "units"]) if len(untrained) else ():
        row = {"word_dim": word_dim, "units": units}
        counts = shape.pivot_table(index="accuracy", columns="cell", values="count", aggfunc="sum").fillna(0.0)
        for cell in counts:
            values, weights = counts.index.to_numpy(), counts[cell].to_numpy()
            row[f"{cell} mean"] = float(np.average(values, weights=weights))
            row[f"{cell} above 90%"] = int(weights[values > SOLUTION].sum())
            row[f"{cell} settings"] = int(weights.sum())
            row[f"{cell} top"] = float(values[np.searchsorted(np.cumsum(weights), (1 - TOP) * weights.sum())])
            row[f"{cell} best"] = float(values[weights > 0].max())
        if {*PAPER_CELLS} <= {*counts}:
            functions = counts[list(PAPER_CELLS)].cumsum() / counts[list(PAPER_CELLS)].sum()
            row["distance"] = float((functions[RNN] - functions[GRU]).abs().max())
        table.append(row)
    found = pd.DataFrame(table)
    return found if "distance" in found else found.assign(distance=np.nan)


def compute_roughness(path: pd.DataFrame) -> pd.DataFrame:
    """Returns how rough the cosine of each training is, its mean, and its mean absolute change from epoch to epoch."""
    rows, keys = [], [*KEYS, "trial"]
    for training, curve in path.groupby(keys) if len(path) else ():
        cosine = curve.sort_values("epoch")["cosine"].to_numpy()
        found = {"roughness": roughness(cosine), "mean cosine": cosine.mean(), "epochs": len(cosine)}
        found["mean change"] = float(np.abs(np.diff(cosine)).mean()) if len(cosine) > 1 else 0.0
        rows.append(dict(zip(keys, training, strict=True)) | found)
    return pd.DataFrame(rows, columns=[*keys, *MEASURES])


def compute_recovery(perturbed: pd.DataFrame) -> pd.DataFrame:
    """Returns means over trained models, for each shape, cell and factor: before and after training again."""
    keys = [*SHAPE, "cell", "factor"]
    ends = perturbed.groupby([*keys, "trial"])["epoch"].transform("max")
    first, last = perturbed[perturbed["epoch"] == 0], perturbed[perturbed["epoch"] == ends]
    columns = ["accuracy", "loss", "distance"]
    before, after = (table.groupby(keys)[columns].mean() for table in (first, last))
    table = before.add_suffix(" before").join(after.add_suffix(" after"))
    return table.assign(models=first.groupby(keys).size()).reset_index()


def compute_moved(perturbed: pd.DataFrame) -> pd.DataFrame:
    """Returns the distance from the trained weights after training again by that before, median and least of models."""
    keys = ["cell", "factor", "trial"]
    if perturbed.empty:
        return pd.DataFrame(columns=["cell", "factor", "median", "min"])
    ends = perturbed.groupby(keys)["epoch"].transform("max")
    first = perturbed[perturbed["epoch"] == 0].set_index(keys)["distance"]
    last = perturbed[perturbed["epoch"] == ends].set_index(keys)["distance"]
    return (last / first).groupby(["cell", "factor"]).agg(["median", "min"]).reset_index()


def plot_untrained(untrained: pd.DataFrame) -> Figure:
    """Draws how many untrained settings have which accuracy, a panel for each shape.

    Look for: the same line for both cells means as many solutions; the right end is where solutions are.
    """
    shapes = sorted({*zip(untrained["word_dim"], untrained["units"], strict=True)})
    figure, panels = new_figure(len(shapes), width=3.2, height=3.2)
    bins = np.linspace(untrained["accuracy"].min(), untrained["accuracy"].max(), BINS + 1)
    for axes, (word_dim, units) in zip(panels, shapes, strict=True):
        for cell in PAPER_CELLS:
            here = untrained[
                (untrained["word_dim"] == word_dim) & (untrained["units"] == units) & (untrained["cell"] == cell)
            ]
            heights, _ = np.histogram(here["accuracy"], bins, weights=here["count"])
            axes.stairs(heights, 100 * bins, color=cell_color(cell), label=plain(cell))
        axes.set_yscale("symlog", linthresh=1)
        axes.set_title(f"{word_dim} x {units}", fontsize="small")
        axes.set_xlabel("accuracy, %")
    panels[0].set_ylabel("settings")
    panels[0].legend(frameon=False, fontsize="small")
    return figure


def plot_boxes(untrained: pd.DataFrame) -> Figure:
    """Draws the quartiles of the same, with whiskers from the 1st to the 99th percentile, and the extremes."""
    figure, (axes,) = new_figure(1, width=6.5)
    boxes, colors = [], []
    for (cell, word_dim, units), group in untrained.groupby(["cell", "word_dim", "units"]):
        group = group.sort_values("accuracy")
        parts = np.cumsum(group["count"]) / group["count"].sum()
        low, first, median, third, high = (
            100 * group["accuracy"].to_numpy()[np.searchsorted(parts, quantile)]
            for quantile in (0.01, 0.25, 0.5, 0.75, 0.99)
        )
        ends = 100 * group["accuracy"].iloc[[0, -1]].to_numpy()
        boxes.append(
            {"whislo": low, "q1": first, "med": median, "q3": third, "whishi": high, "fliers": ends}
            | {"label": f"{plain(cell)}\n{word_dim} x {units}"}
        )
        colors.append(cell_color(str(cell)))
    drawn = axes.bxp(boxes, patch_artist=True, medianprops={"color": "white"}, flierprops={"markersize": 3})
    for box, color in zip(drawn["boxes"], colors, strict=True):
        box.set_facecolor(color)
    axes.tick_params(axis="x", labelsize=6)
    axes.set_ylabel("accuracy, %")
    return figure


def plot_paths(path: pd.DataFrame) -> Figure:
    """Draws the cosine of each epoch's update with the whole way, a line for each training.

    Look for: a smooth curve near 1 is a training that goes straight to where it ends.
    """
    shapes = list(path.groupby(SHAPE))
    figure, grid = new_grid(len(PAPER_CELLS), len(shapes), (3.2 * len(shapes), 5.5), sharey=True)
    for (row, cell), (column, (shape, of_shape)) in itertools.product(enumerate(PAPER_CELLS), enumerate(shapes)):
        axes = grid[row, column]
        for _, curve in of_shape[of_shape["cell"] == cell].groupby("trial"):
            curve = curve.sort_values("epoch")
            axes.plot(curve["epoch"], curve["cosine"], color=cell_color(cell), linewidth=0.7, alpha=0.6)
        axes.set_title(f"{plain(cell)}, {shape_text(shape)}", fontsize="small")
        axes.set_ylim(-1, 1)
    for axes in grid[-1]:
        axes.set_xlabel("epochs")
    for axes in grid[:, 0]:
        axes.set_ylabel("cosine")
    return figure


def plot_perturbations(perturbed: pd.DataFrame) -> Figure:
    """Draws loss, accuracy and distance from the trained weights after perturbations, means over models.

    Dotted: before the perturbation.
    """
    measures = {"loss": "cross-entropy", "accuracy": "accuracy", "distance": "distance of weights"}
    rows = list(perturbed.groupby([*SHAPE, "cell"]))
    figure, grid = new_grid(len(rows), len(measures), (3.6 * len(measures), 2.75 * len(rows)), sharex=True)
    factors = sorted(perturbed["factor"].unique())
    for row, ((*shape, cell), here) in enumerate(rows):
        for column, (measure, label) in enumerate(measures.items()):
            axes = grid[row, column]
            for place, factor in enumerate(factors):
                curve = here[here["factor"] == factor].groupby("epoch")[measure].mean()
                alpha = 0.3 + 0.7 * (place + 1) / len(factors)
                axes.plot(curve, color=cell_color(str(cell)), alpha=alpha, label=f"k = {factor:g}")
            before = here[f"trained_{measure}"].mean() if f"trained_{measure}" in here else 0.0
            axes.axhline(before, color="0.2", linestyle=":", linewidth=1)
            axes.set_ylabel(label)
            axes.set_title(f"{plain(cell)}, {shape_text(shape)}", fontsize="small")
        grid[row, 0].legend(frameon=False, fontsize="x-small")
    for axes in grid[-1]:
        axes.set_xlabel("epochs")
    return figure


def landscape_exhibits(rows: StudyRows) -> Exhibits:
    """Returns figures 7 to 10, and what they say."""
    shown = Exhibits()
    untrained, trained = (of_part(rows, part) for part in ("untrained", "trained"))
    path, perturbed = (
        trained[trained["kind"] == kind] if len(trained) else trained for kind in ("path", "perturbation")
    )
    distances, trainings = compute_distances(untrained), compute_roughness(path)
    if len(untrained):
        count = int(untrained.groupby(["cell", "word_dim", "units"])["count"].sum().max())
        caption = f"Validation accuracy of {count:,} random settings of each model, without training."
        shown.add("landscape-untrained", "Untrained settings", "fig. 7", caption, plot_untrained(untrained))
        boxes = f"{caption} Boxes are quartiles, whiskers from the 1st to the 99th percentile, points the extremes."
        shown.add("landscape-boxes", "The same as boxes", "fig. 8", boxes, plot_boxes(untrained))
        shown.add("landscape-distances", "The same as numbers", "fig. 7", caption, distances.round(4))
    if len(path):
        caption = "Cosine of the update of each epoch with the whole way, of trainings that end at 96% or more."
        shown.add("landscape-paths", "Updates beside the whole way", "fig. 9", caption, plot_paths(path))
        means = trainings.groupby(["cell", *SHAPE])
        table = means[MEASURES].mean().assign(trainings=means.size()).round(3)
        shown.add("landscape-roughness", "Roughness", "fig. 9", caption, table.reset_index())
    if len(perturbed):
        caption = "Trained models of at least 98%, perturbed by k times the deviation of each matrix, trained again."
        shown.add("landscape-perturbations", "Perturbations", "fig. 10", caption, plot_perturbations(perturbed))
        table = compute_recovery(perturbed).round(3)
        shown.add("landscape-recovery", "The same as numbers", "fig. 10", caption, table)
    shown.claims += [claim_same_accuracies(distances), claim_equal_frequency(distances)]
    shapes = completed(rows.pieces[rows.pieces["part"] == "trained"])[SHAPE].drop_duplicates().sort_values(SHAPE)
    for kind in ("fixed", "trained"):
        own = shapes[shapes["vectors"] == kind]
        shown.claims += [claim_smoother(trainings, own), claim_straighter(trainings, own)]
        shown.claims.append(claim_robust(perturbed, own))
    moved = compute_moved(perturbed)
    shown.claims += [claim_return(moved), claim_little_change(moved)]
    return shown
