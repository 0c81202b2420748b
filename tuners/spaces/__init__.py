"""Search spaces, and how to change them; a new space is a file and a line here."""

from keras_rnncap.by_name import by_name as _by_name
from keras_rnncap.tuners.spaces.edit import around as around, as_today as as_today, edit_space as edit_space
from keras_rnncap.tuners.spaces.edit import in_words as in_words, parse_changes as parse_changes
from keras_rnncap.tuners.spaces.space import Space as Space
from keras_rnncap.tuners.spaces.collins import CollinsSpace as CollinsSpace
from keras_rnncap.tuners.spaces.jozefowicz import JozefowiczSpace as JozefowiczSpace, Procedure as Procedure
from keras_rnncap.tuners.spaces.jozefowicz import paper_schedule as paper_schedule
from keras_rnncap.tuners.spaces.row_soap import RowSOAPSpace as RowSOAPSpace

SPACES: dict[str, type[Space]] = _by_name(globals(), Space)
