"""A mistake is one wrong thing in a definition: where it stands, what was found, what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from odibi_assets.errors import OdibiAssetsError


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake, as the terminal, the JSON and Dagster show it.

    >>> print(Mistake("pipe.yaml", 9, "steps[1].layer", "silvr", "one of bronze, silver, gold", "silver"))
    pipe.yaml:9: steps[1].layer: found 'silvr', expected one of bronze, silver, gold; did you mean 'silver'?
    """

    file: str
    line: int | None
    key: str
    found: str
    expected: str
    nearest: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        hint = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        return f"{place}: {self.key}: found {self.found!r}, expected {self.expected}{hint}"

    def to_json(self) -> dict[str, object]:
        """As ``oda validate --json`` has it."""
        return asdict(self)


class DefinitionError(OdibiAssetsError):
    """A pipeline that can't be used as it is written; holds every mistake, not just the first.

    Example::

        import odibi_assets as oda

        flights = oda.Pipeline("flights")
        flights.read("raw", layer="bronz", format="csv", path="data/flights.csv")
        try:
            flights.run()
        except oda.DefinitionError as error:
            assert [mistake.nearest for mistake in error.mistakes] == ["bronze"]
    """

    exit_code = 2

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: (mistake.file, mistake.line or 0)))
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__("\n".join([*map(str, self.mistakes), f"{count} found; nothing was run."]))


def nearest(name: object, choices: Iterable[str]) -> str | None:
    """The choice that reads most like ``name``, if any is close.

    >>> nearest("silvr", ["bronze", "silver"])
    'silver'
    """
    matches = difflib.get_close_matches(str(name), list(choices), n=1, cutoff=0.5)
    return matches[0] if matches else None


def expected_one_of(name: object, choices: Iterable[str]) -> str:
    """The end of a message about a name that is not there.

    >>> expected_one_of("ordrs", ["orders", "by_customer"])
    "expected one of orders, by_customer. Did you mean 'orders'?"
    """
    names = list(choices)
    close = nearest(name, names)
    hint = f" Did you mean {close!r}?" if close else ""
    return f"expected one of {', '.join(names) or 'none'}.{hint}"


def shown(value: object, *, limit: int = 80) -> str:
    """A found value as a message shows it: short, on one line."""
    text = " ".join(str(value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
