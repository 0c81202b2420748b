"""What every figure promises. One joins by subclassing `FigureContract` and saying of what it draws."""

import importlib
import io

from matplotlib import pyplot
from matplotlib.figure import Figure

PNG = b"\x89PNG"


class FigureContract:
    """Joined as `class TestMine(FigureContract): plot = "my_module.plot_mine"`, with `drawn_from`."""

    plot = None
    """The module below `keras_rnncap.analysis`, and the function."""
    labels = ()
    """What the axes say of themselves, in order: where they are side by side, the second may leave out the same."""

    of_nothing = False
    """Whether it is drawn of no rows, too; figures of studies are not made then, see `StudyContract`."""

    def drawn_from(self, count):
        """Returns the arguments of `plot`, made of so many rows by its `compute` functions; `None` takes all rows."""
        raise NotImplementedError

    def draw(self, count):
        module, _, name = self.plot.partition(".")
        figure = getattr(importlib.import_module(f"keras_rnncap.analysis.{module}"), name)(*self.drawn_from(count))
        assert isinstance(figure, Figure)
        figure.savefig(stream := io.BytesIO(), dpi=40)
        assert stream.getvalue().startswith(PNG)
        return figure

    def test_it_is_drawn_of_one_row_and_of_all_and_belongs_to_no_window(self):
        for count in (0, 1, None) if self.of_nothing else (1, None):
            self.draw(count)
        assert pyplot.get_fignums() == []

    def test_its_axes_say_what_they_are(self):
        figure = self.draw(None)
        assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes] == list(self.labels)

    def test_the_same_rows_give_the_same_picture(self):
        lines = [[line.get_xydata().tolist() for axes in self.draw(None).axes for line in axes.lines] for _ in range(2)]
        assert str(lines[0]) == str(lines[1])
