"""Recurrent cells as graphs of operations, with which they can be searched; pure Python and NumPy."""

from keras_rnncap.graphs.evaluation import evaluate as evaluate
from keras_rnncap.graphs.graph import Graph as Graph, Node as Node
from keras_rnncap.graphs.identity import canonical as canonical, function_hash as function_hash
from keras_rnncap.graphs.identity import graph_hash as graph_hash, same_graph as same_graph
from keras_rnncap.graphs.known import Sketch as Sketch, known_graphs as known_graphs
from keras_rnncap.graphs.mutation import mutate as mutate
from keras_rnncap.graphs.recipes import from_recipe as from_recipe
from keras_rnncap.graphs.distance import edit_distance as edit_distance, nearest_known as nearest_known
