"""The surface of the loss: figures 7 to 10 of Mehta, and the claims."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from keras_rnncap.analysis.exhibits import Claim, Exhibits, StudyRows, decide, open_claim
from keras_rnncap.analysis.initializations_study import GRU, KEYS, PAPER_CELLS, RNN, completed, of_part
from keras_rnncap.analysis.statistics import LEVEL, correct_holm
from keras_rnncap.analysis.style import cell_color, new_figure, new_grid, plain
from keras_rnncap.dynamics import roughness

ALIKE = 0.05
"""The Kolmogorov-Smirnov distance up to which two distributions count as the same."""
APART = 0.1
"""That from which on they do not."""
SOLUTION = 0.9
"""The accuracy from which on a setting counts as a solution."""
TIMES = 2.0
"""How many times as many solutions still count as many."""
SHAPES, NOT_ALL = 4, "not both cells have settings at all four shapes"
"""Shapes of untrained settings that the paper has."""
SHAPE = ["vectors", "word_dim", "units"]
"""What trained models have in common that are compared."""
MEASURES = ["roughness", "mean change", "mean cosine", "epochs"]
"""Of the path of a training."""
LITTLE, MUCH = 1.25, 2.0
"""Up to how many times as far counts as a little change of a distance, and from where on as a large one."""
RESAMPLED = 10_000
FEWEST_PATHS, FEWEST_PERTURBED = 10, 5
"""Trainings of each cell that are compared."""


def compute_distances(untrained: pd.DataFrame) -> pd.DataFrame:
    """Returns how the accuracies of untrained RNNs and GRUs are distributed at each shape, and how far apart.

    The distance is Kolmogorov and Smirnov's: the largest difference of the two distribution functions.
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


def shape_text(shape: Sequence[Any]) -> str:
    """Returns the values of `SHAPE` as a person says them.

    Example:
    >>> shape_text(("fixed", 2, 4)), shape_text(("trained", 2, 4))
    ('2 x 4', '2 x 4 with trained word vectors')
    """
    vectors, word_dim, units = shape
    return f"{word_dim:.0f} x {units:.0f}" + (f" with {vectors} word vectors" if vectors != "fixed" else "")


def plot_untrained(untrained: pd.DataFrame) -> Figure:
    """Draws how many untrained settings have which accuracy, a panel for each shape.

    Look for: the same line for both cells means as many solutions; the right end is where solutions are.
    """
    shapes = sorted({*zip(untrained["word_dim"], untrained["units"], strict=True)})
    figure, panels = new_figure(len(shapes), width=3.2, height=3.2)
    bins = np.linspace(0, 1, 51)
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


def within_draws(table: pd.DataFrame, measure: str) -> tuple[float, float]:
    """Returns by how much the mean of the GRU is larger than that of the RNN within draws, and its p-value.

    The p-value is two-sided, by random permutations of the cells within each draw. Draws of which one cell has nothing
    tell nothing; where that is all of them, the difference is NaN.

    Args:
        table: A row for each training, with its `cell` and `draw`.
        measure: The column of which means are compared.

    Example:
    >>> table = pd.DataFrame({"cell": [GRU] * 8 + [RNN] * 8, "draw": 0, "apart": [1.0] * 8 + [0.0] * 8})
    >>> difference, p_value = within_draws(table, "apart")
    >>> difference, p_value < 0.01, within_draws(table.assign(apart=0.0), "apart")
    (1.0, True, (0.0, 1.0))
    """
    rng, table = np.random.default_rng(0), table.sort_values("draw")
    is_gru = (table["cell"] == GRU).to_numpy()
    values = (table[measure] - table.groupby("draw")[measure].transform("mean")).to_numpy(float)
    parts = [is_gru[places] for places in table.groupby("draw").indices.values()]
    pairs = sum(part.sum() * (~part).sum() / len(part) for part in parts)
    if not pairs:
        return np.nan, 1.0
    permuted = np.hstack([rng.permuted(np.tile(part, (RESAMPLED, 1)), axis=1) for part in parts])
    found = values[is_gru].sum()
    extreme = np.abs(permuted @ values) >= abs(found) - 1e-9
    return float(found / pairs), float((1 + extreme.sum()) / (1 + RESAMPLED))


def claim_same_accuracies(distances: pd.DataFrame) -> Claim:
    """Tests whether random settings of RNN and GRU are right as often, by the distance of the distributions."""
    claim = "Random settings of RNN and GRU are right equally often"
    paper = "histograms of a million settings are much the same, at all four shapes"
    known = distances.dropna(subset=["distance"])
    if len(known) < SHAPES:
        return open_claim(claim, paper, NOT_ALL)
    told = zip(known["word_dim"], known["units"], known["distance"], strict=True)
    return Claim(
        claim,
        paper,
        "; ".join(f"{word_dim} x {units}: {distance:.3f}" for word_dim, units, distance in told),
        decide(bool((known["distance"] <= ALIKE).all()), bool((known["distance"] > APART).any())),
        "Kolmogorov-Smirnov distance of the distributions of accuracy: a size, as of a million points any difference "
        f"is significant; holds if at most {ALIKE} at all four shapes, does not if above {APART} at one",
    )


def claim_equal_frequency(distances: pd.DataFrame) -> Claim:
    """Tests whether as many random settings of RNN and GRU are solutions, by Fisher's exact test and the ratio."""
    claim = "RNN and GRU have as many solutions among random settings"
    paper = "the same, read off the histograms"
    known = distances.dropna(subset=["distance"])
    if len(known) < SHAPES:
        return open_claim(claim, paper, NOT_ALL)
    told, p_values, ratios = [], [], []
    for row in known.to_dict("records"):
        good, of = ([row[f"{cell} {kind}"] for cell in (RNN, GRU)] for kind in ("above 90%", "settings"))
        p_values.append(stats.fisher_exact([[g, n - g] for g, n in zip(good, of, strict=True)]).pvalue)
        shares = [(g + 0.5) / n for g, n in zip(good, of, strict=True)]
        ratios.append(max(shares) / min(shares))
        best = ", ".join(f"{100 * row[f'{cell} best']:.0f}%" for cell in (RNN, GRU))
        told.append(f"{row['word_dim']} x {row['units']}: {good[0]} and {good[1]} (best {best})")
    apart = (np.array(ratios) > TIMES) & (correct_holm(p_values) < LEVEL)
    found = known[[f"{cell} above 90%" for cell in PAPER_CELLS]].to_numpy().min() > 0
    return Claim(
        claim,
        paper,
        "; ".join(told),
        decide(bool(found and max(ratios) <= TIMES), bool(apart.any())),
        f"settings above {SOLUTION:.0%} of RNN and GRU; does not hold if at one shape one has over {TIMES:g} times "
        "as many, significant by Fisher's exact test with Holm's correction; holds if both have some, and at most so "
        "many times as many, at all four shapes",
    )


def _claim_of_trained(
    claim: str, paper: str, table: pd.DataFrame, shapes: pd.DataFrame, measure: str, sign: int, fewest: int, rule: str
) -> Claim:
    """Tests whether a measure of the GRU's trainings is larger (sign 1) or smaller (-1) than that of the RNN's.

    At all `shapes` for which models were trained, whether any ended good or not.
    """
    told, p_values, differences, missing = [], [], [], []
    claim += f" ({', '.join(shapes['vectors'].unique()) or 'no'} word vectors)"
    for shape in shapes[SHAPE].itertuples(index=False):
        own = table[(table[SHAPE] == list(shape)).all(axis=1)]
        one, other = (own[own["cell"] == cell][measure] for cell in (GRU, RNN))
        counts = f"n = {len(one)} and {len(other)}"
        if min(len(one), len(other)) < fewest:
            missing.append(f"{shape_text(shape)}: {counts}")
            continue
        difference, p_value = within_draws(own, measure)
        p_values.append(p_value)
        differences.append(sign * difference)
        told.append(
            f"{shape_text(shape)}: GRU {one.mean():.3f}, RNN {other.mean():.3f} ({counts}), within draws "
            f"{difference:+.3f}"
        )
    if not told:
        found = "; ".join(missing) or "none"
        return open_claim(claim, paper, f"fewer than {fewest} good trainings of one cell (GRU and RNN, {found})")
    signed, corrected = np.array(differences), correct_holm(p_values)
    return Claim(
        claim,
        paper,
        "; ".join([*told, *(f"too few at {text}" for text in missing)]),
        decide(bool(((signed > 0) & (corrected < LEVEL)).all()), bool(((signed < 0) & (corrected < LEVEL)).any())),
        f"{rule}, permutation tests within draws, Holm's correction: p = {', '.join(f'{p:.2g}' for p in corrected)}; "
        f"holds if so at every shape of which both cells have {fewest} good trainings, does not if the reverse at one",
    )


def claim_smoother(trainings: pd.DataFrame, shapes: pd.DataFrame) -> Claim:
    """Tests whether the GRU's curve bends less from epoch to epoch, by permutation of trainings, at each shape."""
    claim = "The GRU's way is smoother than the RNN's"
    paper = "the cosine of the update with the whole way is smoother for the GRU, at 2 x 4 and 4 x 8"
    rule = "smaller mean change of the slope of the cosine (a steep rise is not rough)"
    return _claim_of_trained(claim, paper, trainings, shapes, "roughness", -1, FEWEST_PATHS, rule)


def claim_straighter(trainings: pd.DataFrame, shapes: pd.DataFrame) -> Claim:
    """Tests whether the GRU's updates point more along the whole way, by permutation of trainings, at each shape."""
    claim = "The GRU's way is straighter than the RNN's"
    paper = "the cosine of the update with the whole way is consistently high for the GRU, at 2 x 4 and 4 x 8"
    return _claim_of_trained(claim, paper, trainings, shapes, "mean cosine", 1, FEWEST_PATHS, "larger mean cosine")


def claim_robust(perturbed: pd.DataFrame, shapes: pd.DataFrame) -> Claim:
    """Tests whether the GRU is nearer to what it was 30 epochs after a perturbation of k = 1, by permutation."""
    claim = "The GRU recovers better from a perturbation"
    paper = "2 x 4: close to 90% within 30 epochs even at k = 1; the RNN does not"
    if len(perturbed):
        last = perturbed[(perturbed["factor"] == 1.0) & (perturbed["epoch"] == perturbed["epoch"].max())]
        last = last.assign(recovered=last["accuracy"] - last["trained_accuracy"])
    else:
        last = pd.DataFrame(columns=[*KEYS, "recovered"])
    rule = "mean accuracy 30 epochs after k = 1 less that before, of models of at least 98%; larger"
    return _claim_of_trained(claim, paper, last, shapes, "recovered", 1, FEWEST_PERTURBED, rule)


def compute_moved(perturbed: pd.DataFrame) -> pd.DataFrame:
    """Returns the distance from the trained weights after training again by that before, median and least of models."""
    keys = ["cell", "factor", "trial"]
    if perturbed.empty:
        return pd.DataFrame(columns=["cell", "factor", "median", "min"])
    ends = perturbed.groupby(keys)["epoch"].transform("max")
    first = perturbed[perturbed["epoch"] == 0].set_index(keys)["distance"]
    last = perturbed[perturbed["epoch"] == ends].set_index(keys)["distance"]
    return (last / first).groupby(["cell", "factor"]).agg(["median", "min"]).reset_index()


def _moved_text(moved: pd.DataFrame) -> str:
    """Returns the medians of each cell and factor."""
    cells = moved.groupby("cell")
    return "; ".join(
        f"{cell}, medians: " + ", ".join(f"{row['median']:.2f} (k = {row['factor']:g})" for _, row in own.iterrows())
        for cell, own in cells
    )


def claim_return(moved: pd.DataFrame) -> Claim:
    """Tests whether perturbed models end far from the trained weights, as a part of how far they started."""
    claim = "Perturbed models do not return to the weights that they came from"
    paper = "the distance never gets close to zero"
    if moved.empty:
        return open_claim(claim, paper, "no perturbed models")
    return Claim(
        claim,
        paper,
        f"{_moved_text(moved)}; least {moved['min'].min():.2f}",
        decide(bool((moved["min"] > 0.5).all()), bool((moved["median"] < 0.5).any())),
        "distance from the trained weights after training again, as a part of that before; holds if above a half for "
        "all, does not if the median of one cell and k is below",
    )


def claim_little_change(moved: pd.DataFrame) -> Claim:
    """Tests whether perturbed models end about as far from the trained weights as they started."""
    claim = "The distance from the weights before a perturbation changes little"
    paper = "very little change"
    if moved.empty:
        return open_claim(claim, paper, "no perturbed models")
    apart = np.exp(np.abs(np.log(moved["median"])))
    return Claim(
        claim,
        paper,
        _moved_text(moved),
        decide(bool((apart <= LITTLE).all()), bool((apart > MUCH).any())),
        f"the same medians; holds if all change by at most {LITTLE:g} times, does not if one changes by over {MUCH:g}",
    )


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
        shown.add("landscape-boxes", "The same as boxes", "fig. 8", caption, plot_boxes(untrained))
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
