"""Top-level statements with an effect count for every Python step; definitions and assignments do not."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from child_processes import ChildProcesses

BASE = """
    import os
    import pandas as pd
    import plugin

    LIMIT = 1


    def total(frame):
        return frame.sum()


    def one(frame):
        return 1


    def two(frame):
        return 2
    """
PLUGIN = """
    def patch():
        return 3
    """


def fingerprints(root: Path, steps: list[str]) -> Any:
    import importlib

    from odibi_assets.identify import source_loader
    from odibi_assets.identify.fingerprint import fingerprint
    from odibi_assets.identify.key import Key

    source_loader.install()
    source_loader.put_on_path(root)
    module = importlib.import_module("steps")
    found = {}
    for step in steps:
        one = fingerprint(getattr(module, step), root, extra_modules=[module])
        shown = [[item.shown, item.place] for item in one.items.values() if item.kind == "effect"]
        found[step] = [str(Key("x", code=one.items).digest()), shown]
    return found


def of(children: ChildProcesses, root: Path, added: str = "", plugin: str = "") -> Any:
    (root / "steps.py").write_text(textwrap.dedent(BASE) + textwrap.dedent(added))
    (root / "plugin.py").write_text(textwrap.dedent(PLUGIN) + textwrap.dedent(plugin))
    return children.run(fingerprints, root, ["one", "two"])


EFFECTS = {
    "an option": "pd.set_option('display.width', 100)",
    "an attribute of a library's class": "pd.DataFrame.total = total",
    "an attribute of an attribute": "pd.options.display.width = 90",
    "an entry of a mapping": "os.environ['X'] = '1'",
    "a registering decorator": "@pd.api.extensions.register_dataframe_accessor('shop')\nclass Shop:\n    pass",
    "a loop": "for name in ['a']:\n    pd.set_option('display.width', 101)",
    "a with block": "with pd.option_context('display.width', 1):\n    pass",
    "under a condition": "if LIMIT:\n    pd.set_option('display.width', 102)",
    "under else": "if not LIMIT:\n    pass\nelse:\n    pd.set_option('display.width', 102)",
    "under try": "try:\n    pd.set_option('display.width', 103)\nexcept KeyError:\n    pass",
    "in a handler": "try:\n    import missing\nexcept ImportError:\n    pd.set_option('display.width', 1)",
    "a deleted name": "del LIMIT",
    "an assertion": "assert LIMIT == 1",
    "an added entry": "os.environ['X'] = '1'\nos.environ['X'] += '2'",
    "a call of a function of one's own": "plugin.patch()",
}


@pytest.mark.parametrize("case", EFFECTS, ids=list(EFFECTS))
def test_an_effect_counts_for_every_step(case: str, children: ChildProcesses, root: Path) -> None:
    before, after = of(children, root), of(children, root, EFFECTS[case])
    assert {step for step in before if before[step][0] != after[step][0]} == {"one", "two"}


NO_EFFECTS = {
    "an assignment": "OTHER = 2",
    "an annotated assignment": "OTHER: int = 2",
    "a function": "def three(frame):\n    pd.set_option('display.width', 100)",
    "a class": "class Three:\n    width = 3",
    "an import": "import json",
    "a text": "'''Just words.'''",
    "a comment": "# pd.set_option('display.width', 100)",
    "what runs as a script only": "if __name__ == '__main__':\n    pd.set_option('display.width', 100)",
    "what type checkers read only": "import typing\nif typing.TYPE_CHECKING:\n    pd.set_option('display.width', 1)",
    "a harmless decorator": "import functools\n@functools.lru_cache\ndef three(x):\n    return 3",
    "an import that may fail": "try:\n    import json\nexcept ImportError:\n    json = None",
}


@pytest.mark.parametrize("case", NO_EFFECTS, ids=list(NO_EFFECTS))
def test_what_only_defines_names_counts_for_no_step(case: str, children: ChildProcesses, root: Path) -> None:
    before, after = of(children, root), of(children, root, NO_EFFECTS[case])
    assert {step for step in before if before[step][0] != after[step][0]} == set()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pd.set_option('display.width', 1)", "pd.set_option('display.width', 2)"),
        (
            "pd.set_option('display.width', 1)\npd.set_option('display.width', 2)",
            "pd.set_option('display.width', 2)\npd.set_option('display.width', 1)",
        ),
        (
            "if LIMIT > 1:\n    pd.set_option('display.width', 1)",
            "if LIMIT > 0:\n    pd.set_option('display.width', 1)",
        ),
        ("pd.DataFrame.total = total", "pd.DataFrame.total = one"),
        (
            "def patched(f):\n    return 1\npd.DataFrame.total = patched",
            "def patched(f):\n    return 2\npd.DataFrame.total = patched",
        ),
        ("WIDTH = 1\npd.set_option('display.width', WIDTH)", "WIDTH = 2\npd.set_option('display.width', WIDTH)"),
    ],
    ids=["its argument", "the order of two", "its condition", "what it names", "the code it names", "a value it names"],
)
def test_what_an_effect_does_counts_for_every_step(
    before: str, after: str, children: ChildProcesses, root: Path
) -> None:
    one, other = of(children, root, before), of(children, root, after)
    assert {step for step in one if one[step][0] != other[step][0]} == {"one", "two"}


def test_an_effect_of_a_module_imported_for_it_counts(children: ChildProcesses, root: Path) -> None:
    before = of(children, root)
    after = of(children, root, plugin="import pandas\npandas.set_option('display.width', 99)\n")
    assert {step for step in before if before[step][0] != after[step][0]} == {"one", "two"}


def test_where_an_effect_stands_and_how_it_is_written_does_not_count(children: ChildProcesses, root: Path) -> None:
    one = of(children, root, "pd.set_option('display.width', 1)  # wide")
    other = of(children, root, "\n\n# narrow\npd.set_option(\n    'display.width',\n    1,\n)")
    assert one["one"][0] == other["one"][0]


def test_an_effect_is_shown_with_its_line(children: ChildProcesses, root: Path) -> None:
    line = len(textwrap.dedent(BASE).splitlines()) + 1
    assert of(children, root, "pd.set_option('display.width', 1)")["two"][1] == [
        ["pd.set_option('display.width', 1)", f"steps.py:{line}"]
    ]
