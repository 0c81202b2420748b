"""Untrusted texts, made safe for a terminal."""

import re
from typing import Any

from rich.console import Console
from rich.text import Text

SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, the cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])(?:[^\x07\x1b\x80-\x9f\n]*(?:\x07|\x9c|\x1b\\))?"  # OSC and such: links
    r"|\x1b[ -/]*[0-~]?"  # others of two characters and more
)
"""What ECMA-48 has a terminal do."""
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Other control characters, but tab and newline, and those that change the direction of writing."""


def printable(text: str) -> str:
    r"""Returns a text without what would move the cursor, change the terminal or show letters in another order.

    Example:
    >>> printable("\x1b[31mred\x1b[0m\x07, \u202eto the left,\ttab")
    'red, to the left,\ttab'
    """
    plain = UNSEEN.sub("", SEQUENCES.sub("", text))
    return plain.encode("utf-8", "replace").decode("utf-8")  # halves of characters, as file names can have


class PlainConsole(Console):
    """A console that shows texts as they are: brackets and `:smile:` stay, and what is not `printable` goes.

    Args:
        options: Arguments of `rich.console.Console`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Renders every text that is printed, and those of tables; rich calls it so."""
        return super().render_str(printable(text), **options)
