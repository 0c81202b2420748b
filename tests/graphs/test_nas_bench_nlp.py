"""The 231 recipes of NAS-Bench-NLP with logs on WikiText-2 are graphs, many of them the same."""

import gzip
import json
import os
from pathlib import Path

import pytest

from keras_rnncap.graphs import from_recipe, function_hash, graph_hash, known_graphs, same_graph

FOLDER = os.environ.get("RNNCAP_DATA_DIR")
PLAIN, LSTM, GRU = 1_000_000, 1_000_001, 1_000_002


@pytest.mark.real_data
@pytest.mark.skipif(not FOLDER, reason="RNNCAP_DATA_DIR is not set")
def test_recipes_parse_and_the_known_ones_are_known():
    with gzip.open(Path(FOLDER) / "nas-bench-nlp" / "wikitext2.jsonl.gz", "rt") as lines:
        cells = list(map(json.loads, lines))
    recipes = {cell["id"]: cell["recipe"] for cell in cells}  # one is there twice
    assert (len(cells), len(recipes)) == (231, 230)
    graphs = {number: from_recipe(recipe) for number, recipe in recipes.items()}
    assert len({graph_hash(graph) for graph in graphs.values()}) == 188
    assert len({function_hash(graph) for graph in graphs.values()}) <= 188
    known = known_graphs()
    assert same_graph(graphs[PLAIN], known["rnn"])
    assert same_graph(graphs[GRU], known["gru"])
    assert same_graph(graphs[LSTM], known["tanh-lstm"])
    # A `linear` has a matrix for each of its inputs and one bias: all weights of a layer of 600 units.
    matrices = sum(len(step["input"]) for step in recipes[GRU].values() if step["op"] == "linear")
    assert len(graphs[GRU].linears()) == matrices
