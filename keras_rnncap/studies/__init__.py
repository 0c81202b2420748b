"""Studies, in the order in which reports show them; a new study is a file and a line here."""

from keras_rnncap.by_name import by_name as _by_name
from keras_rnncap.studies.run import Plan as Plan, in_words as in_words, read_study as read_study
from keras_rnncap.studies.run import run_study as run_study
from keras_rnncap.studies.study import STUDIES as STUDIES, Grid as Grid, Piece as Piece, Study as Study
from keras_rnncap.studies.study import get_study as get_study
from keras_rnncap.studies.capacity import CapacityStudy as CapacityStudy
from keras_rnncap.studies.cells import CellsStudy as CellsStudy
from keras_rnncap.studies.memory import MemoryStudy as MemoryStudy
from keras_rnncap.studies.scaling import ScalingStudy as ScalingStudy
from keras_rnncap.studies.trainability import TrainabilityStudy as TrainabilityStudy
from keras_rnncap.studies.trainability import RobustnessStudy as RobustnessStudy
from keras_rnncap.studies.quantization import QuantizationStudy as QuantizationStudy
from keras_rnncap.studies.words import WordsStudy as WordsStudy
from keras_rnncap.studies.initializations import InitializationsStudy as InitializationsStudy
from keras_rnncap.studies.landscape import LandscapeStudy as LandscapeStudy
from keras_rnncap.studies.architectures import ArchitecturesStudy as ArchitecturesStudy
from keras_rnncap.studies.evolution import EvolutionStudy as EvolutionStudy
from keras_rnncap.studies.zoo import ZooStudy as ZooStudy

STUDIES |= _by_name(globals(), Study)
