"""The presets of the zoo: a table of what their trainings came to."""

from __future__ import annotations

import pandas as pd

from keras_rnncap.analysis.exhibits import Exhibit, Exhibits, StudyRows


def compute_zoo(pieces: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each preset: its score on the validation split, and what it cost with its search."""
    trained = pieces[pieces["part"] == "train"]
    bits = trained["bits_per_parameter"]
    cost = pieces.groupby("preset")["elapsed_s"].sum()
    return pd.DataFrame(
        {
            "preset": trained["preset"],
            "parameters": trained["parameters"],
            "score": trained["best_score"].where(bits.isna(), bits),
            "of what": trained["objective"].where(bits.isna(), "bits_per_parameter"),
            "seconds": trained["preset"].map(cost).round(),
        }
    ).reset_index(drop=True)


def zoo_exhibits(rows: StudyRows) -> Exhibits:
    """Returns the table of the presets."""
    if rows.pieces.empty:
        return Exhibits([], [])
    table = compute_zoo(rows.pieces)
    caption = "Scores of the validation split, or stored bits; seconds of training, with the search."
    return Exhibits([Exhibit("presets", "Presets", "", caption, table)], [])
