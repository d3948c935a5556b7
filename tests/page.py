"""A page of the docs as what a reader does with it: files to write, commands to type, output to see.

- A file is a fence right below a line that ends with its path: "`data/orders.csv`:". Below "`transforms.py`, line 3:"
  it stands in place of that line.
- Commands stand in ``console`` fences, each on a line that begins with ``$ ``. What stands below one, up to the next,
  is its output. There ``…`` stands for any text within a line, a line that is ``…`` for any lines, and spaces for one
  or more. A command with nothing below it must succeed, whatever it prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(
    r"(?:^[^\n]*`(?P<path>[^`\s]+)`(?:, line (?P<line>\d+))?:\n\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class File:
    """A file that the reader writes, or a line of it.

    Attributes:
        line: Which line of the file the text replaces; None for all of it.
    """

    path: str
    text: str
    line: int | None = None

    def write(self, folder: Path) -> None:
        path, text = folder / self.path, self.text
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.line is not None:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            lines[self.line - 1] = text
            text = "".join(lines)
        path.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Command:
    """A line that the reader types.

    Attributes:
        shown: The output as the page has it; None where it has none.
    """

    line: str
    shown: str | None

    @property
    def typed(self) -> str:
        """The line without where its output goes."""
        return self._parted[0]

    @property
    def into(self) -> str | None:
        """The file that its output goes to, behind ``>``."""
        return self._parted[1]

    @property
    def _parted(self) -> tuple[str, str | None]:
        line, arrow, file = self.line.rpartition(" > ")
        return (line, file) if arrow and self.line.startswith("oda ") else (self.line, None)

    def is_shown_right(self, output: str) -> bool:
        """Is this the output that the page shows?"""
        if self.shown is None:
            return True
        found = "\n".join(line.rstrip() for line in output.splitlines()).strip("\n") + "\n"
        return re.fullmatch(pattern(self.shown), found) is not None


def steps(page: Path, heading: str | None = None) -> Iterator[File | Command]:
    """What a page, or a section of it, tells its reader to do, in order."""
    text = page.read_text(encoding="utf-8")
    if heading is not None:
        text = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for fence in _FENCE.finditer(text):
        if fence["language"] == "console":
            for part in fence["text"].removeprefix("$ ").split("\n$ "):
                line, _, shown = part.partition("\n")
                yield Command(line, shown if shown.strip() else None)
        elif fence["path"]:
            yield File(fence["path"], fence["text"], int(fence["line"]) if fence["line"] else None)


def pattern(shown: str) -> str:
    """A regular expression of the output that a page shows.

    >>> bool(re.fullmatch(pattern("…\\nrun … in … s\\n"), "one\\ntwo\\nrun 7 in 1.2 s\\n"))
    True
    """
    lines = shown.strip("\n").split("\n")
    return "".join(r"(?:.*\n)*" if line.strip() == "…" else _line(line.rstrip()) + r"\n" for line in lines)


def _line(shown: str) -> str:
    """Each text at the first place where it stands after the one before: so no line takes long to be told wrong."""
    first, *parts = map(_spaced, re.split(" *… *", shown))
    if not parts:
        return first
    return first + "".join(f"(?>.*?{part})" for part in parts[:-1]) + ".*" + parts[-1]


def _spaced(text: str) -> str:
    """The text by itself; a column may be wider than the page has it."""
    return re.sub(r"(?:\\ )+", " ++", re.escape(text))
