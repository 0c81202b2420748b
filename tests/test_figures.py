"""The figures of this package, and what every figure promises."""

import pandas as pd
from contracts.figure_contract import FigureContract
from studies.made import cells, memory, quantization, reruns, scaling, stored, trainability
from studies.made_architectures import architectures
from studies.made_words import initializations, landscape, words

from keras_rnncap.analysis.architectures_study import compute_scores
from keras_rnncap.analysis.capacity_numbers import compute_points
from keras_rnncap.analysis.cells_study import compute_capacity, compute_kept
from keras_rnncap.analysis.exhibits import StudyRows
from keras_rnncap.analysis.initializations_study import compute_shares, compute_trainings, of_part
from keras_rnncap.analysis.memory_study import compute_memory
from keras_rnncap.analysis.quantization_study import compute_quantization
from keras_rnncap.analysis.scaling_study import compute_scaling
from keras_rnncap.analysis.trainability_study import compute_progress, with_pieces
from keras_rnncap.datasets import make_task
from keras_rnncap.graphs import known_graphs

TRIALS = [
    {"trial": trial, "status": "completed", "patterns": 30 * trial, "bits_per_parameter": 1.0 + trial / 9}
    for trial in range(5)
]
HISTORY = [{"step": step, "train_loss": 3.0, "validation_error": 1 / step} for step in (10, 20, 30)]
PLACES = pd.DataFrame({"rate": [0.1, 0.5, 0.9], "kind": [0.25, 0.75, 0.25]})
TICKS = {name: [(0.0, "least"), (1.0, "most")] for name in PLACES}
SCORES = pd.Series([1.0, float("nan"), 3.0], name="bits_per_character")
BITS = "bits per parameter"


class TestGraph(FigureContract):
    plot = "cell_graph.plot_graph"
    labels = (("", ""),)

    def drawn_from(self, count):
        return (known_graphs()["lstm" if count is None else "rnn"],)


ARCHITECTURES = pd.DataFrame(
    {
        "architecture": ["g0", "g1", "g2", "g3"],
        "parent": ["", "g0", "g1", "g2"],
        "candidate": [0, 1, 2, 3],
        "score": [1.0, 1.1, 0.9, float("nan")],
    }
)


class TestScores(FigureContract):
    plot = "architectures_study.plot_scores"
    labels = (("nats per word", "cell"),) * 3

    def drawn_from(self, count):
        return compute_scores(StudyRows(*architectures()), "words", "loss")[:count], "nats per word"


class TestFamily(FigureContract):
    plot = "evolution.plot_family"
    labels = (("candidate", "score, the GRU has 1"),)

    def drawn_from(self, count):
        return (ARCHITECTURES[:count],)


class TestEvolutionProgress(FigureContract):
    plot = "evolution.plot_progress"
    labels = (("hours of one core", "best score, the GRU has 1"),)

    def drawn_from(self, count):
        return ({"paper": ARCHITECTURES[:count].assign(seconds=60.0), "random": ARCHITECTURES.assign(seconds=90.0)},)


class TestCapacity(FigureContract):
    plot = "capacity.plot_capacity"
    of_nothing = True
    labels = (
        ("trial", BITS),
        ("patterns per parameter", BITS),
    )

    def drawn_from(self, count):
        return TRIALS[:count], 30, "gru"


class TestCells(FigureContract):
    plot = "cells_study.plot_cells"
    labels = ((BITS, "cell"), (BITS, "cell"))

    def drawn_from(self, count):
        return (compute_capacity(cells()[0][:count]),)


class TestKept(FigureContract):
    plot = "cells_study.plot_kept"
    labels = (("numbers of the state", "numbers kept"),)

    def drawn_from(self, count):
        return (compute_kept(cells()[0])[:count],)


class TestLearningCurve(FigureContract):
    plot = "learning_curve.plot_learning_curve"
    of_nothing = True
    labels = (("training steps", "error"),)

    def drawn_from(self, count):
        return HISTORY[:count], "error", {"chance": 0.5}, "a title", "gru"


class TestParallelCoordinates(FigureContract):
    plot = "sweep.plot_parallel_coordinates"
    of_nothing = True
    labels = (("", ""), ("", "bits per character"))  # each hyperparameter has its name and its values at its own axis

    def drawn_from(self, count):
        return PLACES[:count], TICKS, SCORES[:count], "min"


class TestSlices(FigureContract):
    plot = "sweep.plot_slices"
    of_nothing = True
    labels = (("", ""), ("", ""))  # titles name the hyperparameters, and one label for all the score

    def drawn_from(self, count):
        return PLACES[:count], TICKS, SCORES[:count]


class TestImportance(FigureContract):
    plot = "sweep.plot_importance"
    of_nothing = True
    labels = (("share of the variance of scores over the space (Sobol)", "hyperparameter"),)

    def drawn_from(self, count):
        return (pd.DataFrame({"first_order": [0.5, 0.1], "total": [0.6, 0.2]}, index=["rate", "kind"])[:count],)


class TestSample(FigureContract):
    plot = "task.plot_sample"
    labels = (
        ("time step", "input"),
        ("output", "wanted after the last step"),
    )

    def drawn_from(self, count):
        task = "parentheses:length=5,streams=2" if count is None else "memory:length=2,input_dim=3"
        return make_task(task), count or 0


class TestCapacityBySize(FigureContract):
    plot = "capacity_study.plot_capacity_by_size"
    labels = (
        ("", "bits stored"),
        ("", ""),
        ("parameters", BITS),
        ("parameters", ""),
    )

    def drawn_from(self, count):
        return (compute_points(stored(depths=(1, 2))[:count]),)


class TestReLU(FigureContract):
    plot = "capacity_study.plot_relu"
    labels = (("parameters", BITS),)

    def drawn_from(self, count):
        return compute_points(stored()[:count]), compute_points(stored(part="relu")[:count], "relu")


class TestSaturated(FigureContract):
    plot = "capacity_study.plot_saturated"
    labels = (("parameters", BITS),)

    def drawn_from(self, count):
        return compute_points(stored()[:count]), compute_points(stored(part="saturated")[:count], "saturated")


class TestTime(FigureContract):
    plot = "capacity_study.plot_time"
    labels = (("time steps", BITS),)

    def drawn_from(self, count):
        return (compute_points(stored(part="time", lengths=(1, 5, 12))[:count], "time"),)


class TestDataSetSize(FigureContract):
    plot = "capacity_study.plot_data_set_size"
    labels = (("bits stored", "patterns of the best trial"),)

    def drawn_from(self, count):
        return (compute_points(stored()[:count]),)


class TestMemory(FigureContract):
    plot = "memory_study.plot_memory"
    labels = (("units per layer", "mean squared error (variance 1)"),)

    def drawn_from(self, count):
        return (compute_memory(memory()[0][:count]),)


class TestQuantization(FigureContract):
    plot = "quantization_study.plot_quantization"
    labels = (("bits of a weight", "bits stored for each parameter"),)

    def drawn_from(self, count):
        pieces, trials = quantization()
        return (compute_quantization(StudyRows(pieces, trials[:count])),)


class TestScaling(FigureContract):
    plot = "scaling_study.plot_scaling"
    labels = (
        ("parameters", "bits per character"),
        ("units (misleading)", ""),
    )

    def drawn_from(self, count):
        return (compute_scaling(scaling()[0][:count]),)


def random_trials(count):
    pieces, trials = trainability()
    return with_pieces(StudyRows(pieces, trials[trials["status"] == "completed"][:count]), "random")


class TestRandom(FigureContract):
    plot = "trainability_study.plot_random"
    labels = (("cell", "cross entropy nats"),) * 2

    def drawn_from(self, count):
        return (random_trials(count),)


class TestProgress(FigureContract):
    plot = "trainability_study.plot_progress"
    labels = (
        ("", "median cross entropy nats"),
        ("", ""),
        ("trials", "best cross entropy nats"),
        ("trials", ""),
    )

    def drawn_from(self, count):
        return (compute_progress(random_trials(count)),)


class TestReruns(FigureContract):
    plot = "robustness_study.plot_reruns"
    labels = (("cell", "cross entropy nats"),)

    def drawn_from(self, count):
        pieces, trials = reruns()
        return (with_pieces(StudyRows(pieces, trials[-20:][:count]), "rerun"),)


class TestWords(FigureContract):
    plot = "words_study.plot_words"
    labels = (
        ("", "second number"),
        ("", ""),
        ("", ""),
        ("first number", "second number"),
        ("first number", ""),
        ("first number", ""),
    )

    def drawn_from(self, count):
        return (of_part(StudyRows(*words()), "words")[:count],)


class TestStates(FigureContract):
    plot = "words_study.plot_states"
    labels = (
        ("", "second unit"),
        ("", ""),
        ("", ""),
        ("", ""),
        ("first unit", "second unit"),
        ("first unit", ""),
        ("first unit", ""),
        ("first unit", ""),
    )

    def drawn_from(self, count):
        rows = of_part(StudyRows(*words()), "states")
        return (rows[rows["kind"].isin(("path", "fixed point"))][:count],)


class TestHeatmaps(FigureContract):
    plot = "initializations_study.plot_heatmaps"
    labels = (
        ("", "hidden units"),
        ("", ""),
        ("", ""),
        ("word dimensions", "hidden units"),
        ("word dimensions", ""),
        ("word dimensions", ""),
    )

    def drawn_from(self, count):
        return (compute_trainings(StudyRows(*initializations()))[:count],)


class TestAccuracies(FigureContract):
    plot = "initializations_study.plot_accuracies"
    labels = (
        ("initializations, best first", "accuracy, %"),
        *(("initializations, best first", ""),) * 3,
    )

    def drawn_from(self, count):
        return (compute_trainings(StudyRows(*initializations()))[:count],)


class TestShares(FigureContract):
    plot = "initializations_study.plot_shares"
    labels = (("share above 90%", ""),) * 2  # cells have their names at the other axis

    def drawn_from(self, count):
        return (compute_shares(compute_trainings(StudyRows(*initializations())))[:count],)


class TestUntrained(FigureContract):
    plot = "landscape_study.plot_untrained"
    labels = (
        ("accuracy, %", "settings"),
        *(("accuracy, %", ""),) * 3,
    )

    def drawn_from(self, count):
        return (of_part(StudyRows(*landscape()), "untrained")[:count],)


class TestBoxes(FigureContract):
    plot = "landscape_study.plot_boxes"
    labels = (("", "accuracy, %"),)  # models have their names at the other axis

    def drawn_from(self, count):
        return (of_part(StudyRows(*landscape()), "untrained")[:count],)


def of_kind(kind):
    rows = of_part(StudyRows(*landscape()), "trained")
    return rows[rows["kind"] == kind]


class TestPaths(FigureContract):
    plot = "landscape_study.plot_paths"
    labels = (
        ("", "cosine"),
        ("", ""),
        ("epochs", "cosine"),
        ("epochs", ""),
    )

    def drawn_from(self, count):
        return (of_kind("path")[:count],)


class TestPerturbations(FigureContract):
    plot = "landscape_study.plot_perturbations"
    labels = tuple((x, y) for x in ("", "", "", "epochs") for y in ("cross-entropy", "accuracy", "distance of weights"))

    def drawn_from(self, count):
        return (of_kind("perturbation")[:count],)
