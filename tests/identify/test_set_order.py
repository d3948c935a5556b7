"""The order of a set is found where data could take it, and nowhere else."""

from __future__ import annotations

import textwrap

import pytest

from odibi_assets.identify.set_order import order_of_a_set

TAKEN = [
    "return list(set(names))",
    "return tuple({str(n) for n in names})",
    "return ','.join(set(names))",
    "return [n for n in set(names)]",
    "return {n: 1 for n in frozenset(names)}",
    "for n in set(names):\n    out.append(n)",
    "for n in {'a', 'b'}:\n    out.append(n)",
    "return list(set(names) - {'a'})",
    "return list(set(names).union(out))",
    "found = set(names)\nreturn list(found)",
    "found = list(set(names))\nreturn found[0]",
    "return pd.Series(list(set(names)))",
    "return f(a if x else b, list(set(names)))",
    "return (n for n in set(names))",
    "return next(iter(set(names)))",
    "return dict(enumerate(set(names)))",
    "return set(names).pop()",
]
NOT_TAKEN = [
    "return sorted(set(names))",
    "return sorted(list(set(names)))",
    "return sorted(str(n) for n in set(names))",
    "return len(set(names))",
    "return sum(n for n in set(names))",
    "return any(n for n in set(names))",
    "return {n for n in set(names)}",
    "return set(n for n in set(names))",
    "return 'a' in set(names)",
    "return 'a' in {'a', 'b'}",
    "return set(names) == set(out)",
    "return frame.isin(set(names))",
    "found = set(names)\nfound.add(1)\nreturn len(found)",
    "found = list(set(names))\nfound.sort()\nreturn found",
    "return [n for n in names if n not in {'a', 'b'}]",
    "return list(names)",
    "for n in sorted(set(names)):\n    out.append(n)",
    "return max(set(names), key=len)",
    "return {n: 1 for n in names}",
    "try:\n    return len(set(names))\nexcept ValueError:\n    return list(names)",
]


def line(body: str) -> int | None:
    space: dict[str, object] = {}
    exec("def f(names, out, frame, pd, x, a, b):\n" + textwrap.indent(body, "    ") + "\n", space)
    return order_of_a_set(space["f"].__code__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("body", TAKEN)
def test_an_order_that_is_taken_is_found_with_its_line(body: str) -> None:
    assert line(body) is not None


@pytest.mark.parametrize("body", NOT_TAKEN)
def test_a_set_whose_order_does_not_matter_is_none(body: str) -> None:
    assert line(body) is None
