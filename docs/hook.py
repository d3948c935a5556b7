"""Pages of the site take parts from the models, the command line, docstrings and other files of the checkout.

A page says where, by a comment on a line of its own: ``<!-- fields -->``, ``<!-- refused -->``, ``<!-- commands -->``,
``<!-- python -->``, ``<!-- errors -->``, ``<!-- presets -->``, or ``<!-- include README.md: HEADING -->``
for a section of a file. mkdocs calls ``on_page_markdown``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from generate.commands import commands
from generate.errors import errors
from generate.fields import fields, refused
from generate.presets import presets
from generate.python_api import python_api

CHECKOUT = Path(__file__).parents[1]
_MADE: dict[str, Callable[[], str]] = {
    "fields": fields,
    "refused": refused,
    "commands": commands,
    "python": python_api,
    "errors": errors,
    "presets": presets,
}
_MARK = re.compile(r"^<!-- (\w+)(?: ([^:\n]+): ([^\n]+))? -->$", re.MULTILINE)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Fill one page."""
    return filled(markdown, page.file.src_uri)


def filled(markdown: str, page: str) -> str:
    """The text of a page, with everything that its marks name.

    Args:
        page: Its path below ``docs/``.

    Raises:
        KeyError: A mark names nothing that is made here.
    """

    def fill(mark: re.Match[str]) -> str:
        kind, file, heading = mark.groups()
        if kind == "include":
            return section((CHECKOUT / file).read_text(encoding="utf-8"), heading, page)
        return _MADE[kind]()

    return _MARK.sub(fill, markdown)


def section(text: str, heading: str, page: str) -> str:
    """What stands below a heading in a file at the root of the checkout, as a part of a page.

    Its headings begin at the second level; its links start at the page.

    Raises:
        KeyError: There is no such heading.
    """
    taken: list[str] = []
    level, in_fence = 0, False
    for line in text.splitlines():
        in_fence ^= line.startswith("```")
        found = None if in_fence else re.match(r"(#+) (.*)", line)
        if level and found and len(found[1]) <= level:
            break
        if level:
            taken.append("#" * (len(found[1]) - level + 1) + " " + found[2] if found else line)
        elif found and found[2] == heading:
            level = len(found[1])
    if not level:
        raise KeyError(f"{page} includes the section {heading!r}, which is not there.")
    return re.sub(r"\]\(docs/([^)]+)\)", lambda link: f"]({_relative(link[1], page)})", "\n".join(taken).strip())


def _relative(target: str, page: str) -> str:
    """
    >>> _relative("how-to/store.md#gc", "tutorial.md"), _relative("pictures/plan.svg", "how-to/store.md")
    ('how-to/store.md#gc', '../pictures/plan.svg')
    """
    up = len(PurePosixPath(page).parts) - 1
    return "../" * up + target
