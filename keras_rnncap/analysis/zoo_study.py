"""The presets of the zoo: a table of what their trainings came to."""

from __future__ import annotations

import pandas as pd

from keras_rnncap.analysis.exhibits import Exhibits, StudyRows


def zoo_exhibits(rows: StudyRows) -> Exhibits:
    """Returns a table with a row for each preset: its score, and what it cost with its search."""
    trained = rows.pieces[rows.pieces["part"] == "train"]
    bits, cost = trained["bits_per_parameter"], rows.pieces.groupby("preset")["elapsed_s"].sum()
    columns = {
        "preset": trained["preset"],
        "parameters": trained["parameters"],
        "score": trained["best_score"].where(bits.isna(), bits),
        "of what": trained["objective"].where(bits.isna(), "bits_per_parameter"),
        "seconds": trained["preset"].map(cost).round(),
    }
    shown = Exhibits()
    caption = "Scores of the validation split, or stored bits; seconds of training, with the search."
    shown.add("presets", "Presets", "", caption, pd.DataFrame(columns).reset_index(drop=True))
    return shown
