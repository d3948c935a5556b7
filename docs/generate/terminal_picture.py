"""A terminal's screen as an SVG, drawn by rich, with the colours that a real command gave it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

# A picture asks no other server for a font.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def draw(screen: pyte.Screen, command: str, path: Path) -> None:
    """Write what is on a screen, below the command that was typed.

    Args:
        command: The first line, and the picture's title.
    """
    lines = [_line(screen.buffer[number], screen.columns) for number in range(screen.lines)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    width = max(len(line.plain.rstrip()) for line in [Text(f"$ {command}"), *lines]) + 1
    console = Console(record=True, file=io.StringIO(), width=width, force_terminal=True)
    console.print(Text.assemble(("$ ", "dim"), (command, "bold")))
    for line in lines:
        line.rstrip()
        console.print(line, no_wrap=True, overflow="ignore", crop=True)
    svg = console.export_svg(title=command, code_format=_FORMAT, unique_id=path.stem)
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


def _line(characters: dict[int, pyte.screens.Char], width: int) -> Text:
    line = Text()
    for column in range(width):
        character = characters[column]
        line.append(character.data, _style(character))
    return line


def _style(character: pyte.screens.Char) -> str:
    colour = character.fg
    named = {"default": "", "brown": "yellow"}.get(colour, colour)
    shown = f"#{named}" if re.fullmatch(r"[0-9a-f]{6}", named) else named.replace("bright", "bright_")
    return f"{'bold ' if character.bold else ''}{shown}".strip()
