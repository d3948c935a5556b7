"""What an edit of code makes run again, and what it does not: an entry for each sentence of truth.md, section 1."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from project_folder import ProjectFolder, Zygote

from .coded_project import FILES, PIPELINE, STEPS
from .shop import computed, make_shop

# Steps that compute names, or hand a text that is no constant to what looks names up: every loaded module counts.
WHOLE = {"computed_name", "evaluated", "subclassed", "queried_by_name"}
ALWAYS = {
    "memoised": "it changes the module value steps.MEMO",  # in reach of those that compute names
    "opens": "steps.OPENED['first'][0] is a _io.TextIOWrapper, whose state can't be told (steps.py:",
    "connects": "steps.SOCKET is a socket.socket, whose state can't be told (steps.py:",
    "vectored": "steps.VECTOR is a numpy.ufunc, whose state can't be told (steps.py:",
}

# rule and what is edited → file, old text, new text, the steps that must run (beside those of WHOLE and ALWAYS)
EDITS: dict[str, tuple[str, str, str, set[str]]] = {
    "1.1 its own syntax tree": ("steps.py", "1 + 1", "1 + 2", {"plain"}),
    "1.1 a function": ("tax.py", "x * (1", "x / (1", {"re_exported"}),
    "1.1 a base class of another module": ("base.py", "return 10", "return 20", {"base_elsewhere"}),
    "1.1 a metaclass": ("base.py", "(*args)\n", "(*args[:5])\n", {"base_elsewhere"}),
    "1.1 a class whole": ("models.py", '"EUR"', '"USD"', {"base_elsewhere"}),
    "1.1 a class whole: the order of its members": (
        "models.py",
        "RED = 1\n    BLUE = 2",
        "BLUE = 2\n    RED = 1",
        {"coloured"},
    ),
    "1.1 a class whole: what it matches by": (
        "models.py",
        '("first", "second")\n',
        '("second", "first")\n',
        {"matched"},
    ),
    "1.1 a class whole: what its fields say": ("helpers.py", '"km"', '"mile"', {"fields"}),
    "1.1 a class that extends a builtin": ("models.py", "return 11", "return 111", {"dict_subclass"}),
    "1.1 a named tuple": ("models.py", "self.amount * 2", "self.amount * 3", {"named_tuple"}),
    "1.1 an enum that is a number": ("models.py", "HIGH = 2", "HIGH = 3", {"levelled"}),
    "1.1 a class made by a function": ("helpers.py", "int, 8", "int, 9", {"made"}),
    "1.1 a class made by a library's decorator": ("helpers.py", "z: int = 9", "z: int = 99", {"attrs_class"}),
    "1.1 a class made by a library's metaclass": ("helpers.py", "w: int = 10", "w: int = 11", {"pydantic_class"}),
    "1.1 subclasses that nobody names": ("models.py", "return 12", "return 13", set()),
    "1.1 a decorator": ("decorators.py", "round(2)", "round(1)", {"decorated"}),
    "1.1 a decorator's argument on the function": ("steps.py", "rate=2", "rate=3", {"attributed"}),
    "1.1 a decorator that is a class": ("steps.py", "by(5)", "by(6)", {"class_decorated"}),
    "1.1 what such a decorator wraps": ("steps.py", "x=7", "x=8", {"class_decorated"}),
    "1.1 a function in a library's wrapper": ("steps.py", "yield 31", "yield 32", {"context_managed"}),
    "1.1 a function that a library dispatches to": ("steps.py", "return 41", "return 42", {"dispatched"}),
    "1.1 a function behind a cache": ("steps.py", "x + 51", "x + 52", {"behind_cache"}),
    "1.1 a module value": ("rates.py", "19", "20", {"module_value", "re_exported"}),
    "1.1 a default argument": ("helpers.py", "LIMITS = (1", "LIMITS = (2", {"default"}),
    "1.1 a closure cell": ("steps.py", "make_closure(2", "make_closure(3", {"closed"}),
    "1.1 a function in a closure cell": ("helpers.py", "x + 5", "x + 50", {"closed"}),
    "1.1 a partial's argument": ("steps.py", "scaled, by=3", "scaled, by=4", {"partially"}),
    "1.1 the argument of a partial that is the step": ("steps.py", "(scale, by=3", "(scale, by=4", {"tripled"}),
    "1.1 the state of an instance that is the step": (
        "steps.py",
        "called_instance = Doubler(2)",
        "called_instance = Doubler(5)",
        {"called_instance"},
    ),
    "1.1 the object of a method that is the step": ("steps.py", "Doubler(3)", "Doubler(5)", {"bound_method"}),
    "1.1 a function in a container": ("helpers.py", "x + 2", "x + 22", {"in_container"}),
    "1.1 a method of a builtin": ("steps.py", '"USD": 0.9', '"USD": 0.8', {"bound_builtin"}),
    "1.1 a method of a pattern": ("steps.py", '"w+"', '"w*"', {"bound_pattern"}),
    "1.1 a mapping's default": ("steps.py", "lambda: 1.0", "lambda: 2.0", {"default_dict"}),
    "1.1 a mapping's order": ("steps.py", "OrderedDict(a=1, b=2)", "OrderedDict(b=2, a=1)", {"ordered"}),
    "1.1 what a library picks": ("steps.py", 'itemgetter("id")', 'itemgetter("a")', {"picked"}),
    "1.1 a time zone": ("steps.py", "Europe/Berlin", "Europe/Paris", {"zoned"}),
    "1.1 a queue": ("steps.py", "deque([1, 2]", "deque([2, 2]", {"queued"}),
    "1.1 an array's mask": ("steps.py", "mask=[False, True]", "mask=[True, False]", {"masked"}),
    "1.1 a series' labels": ("steps.py", 'index=["a", "b"]', 'index=["b", "a"]', {"looked_up"}),
    "1.1 an element of a set": ("steps.py", '("c", "d")', '("c", "e")', {"set_and_list"}),
    "1.1 a value that a query names": ("steps.py", "FLOOR = 0", "FLOOR = 1", {"queried"}),
    "1.1 a value that a query from elsewhere names": ("steps.py", "CEILING = 9", "CEILING = 1", set()),
    "1.1 a method through a module": ("helpers.py", "x + 7", "x + 70", {"method_through_module"}),
    "1.1 a function through a module": ("helpers.py", "x + 1", "x + 11", {"through_module", "in_container"}),
    "1.1 a re-export led elsewhere": (
        "rates.py",
        "from tax import with_tax",
        "from helpers import add_two as with_tax",
        {"re_exported"},
    ),
    "1.1 a relative import": ("shop/rules.py", "x + 4", "x + 40", {"relative"}),
    "1.1 a module imported relatively": ("shop/rules.py", "x * 2", "x * 3", {"relative"}),
    "1.1 a star import": ("helpers.py", "x - 1", "x - 2", {"starred"}),
    "1.1 an import inside a function": ("lazily.py", "x + 3", "x + 30", {"lazy"}),
    "1.1 a cycle": ("helpers.py", "n != 0", "n > 0", {"cyclic"}),
    "1.1 documentation that is data": ("helpers.py", '"""Explained."""', '"""Told."""', {"documented", "annotated"}),
    "1.1 annotations that are data": (
        "helpers.py",
        "explained(x: int)",
        "explained(x: float)",
        {"documented", "annotated"},
    ),
    "1.3 the first of two lambdas on a line": (
        "steps.py",
        "(lambda x: x + 1, lambda",
        "(lambda x: x + 2, lambda",
        {"first_lambda"},
    ),
    "1.3 the second of two lambdas on a line": ("steps.py", "assign(x=2))", "assign(x=3))", {"second_of_line"}),
    "1.3 what has no source": ("steps.py", "x=61", "x=62", {"sourceless"}),
    "1.5 an effect": ("rates.py", "TAX = 19", "TAX = 19\ndef f(): ...\nf.x = 1", set(STEPS)),
    "1.5 an effect of a module loaded by a computed name": ("plugged/one.py", "91", "92", set(STEPS)),
    "1.5 an effect that no statement shows": ("plugged/one.py", "return 71", "return 72", set(STEPS)),
    "1.5 an option that a function sets": ("plugged/one.py", 'precision", 7', 'precision", 8', set(STEPS)),
    "1.6 computed names": ("helpers.py", "def odd(n)", "UNUSED = 1\n\n\ndef odd(n)", set()),
    "1.7 a namespace package": ("space/inner.py", "x + 13", "x + 14", {"namespace"}),
}
# What nothing reaches, and how it is written.
NO_EDITS: dict[str, tuple[str, str, str]] = {
    "1.1 comments do not count": ("helpers.py", "# a comment", "# another"),
    "1.1 docstrings do not count": ("steps.py", '"""Nothing but itself."""', '"""Itself."""'),
    "1.1 formatting does not count": ("steps.py", "1 + 1", "(1  +\n            1)"),
    "1.4 loggers count by name": ("steps.py", 'LOGGER = logging.getLogger("shop")', 'LOGGER = logging.getLogger("x")'),
    "1.4 locks count by name": ("steps.py", "threading.Lock()", "threading.RLock()"),
    "an unused value": ("steps.py", "UNUSED = 1", "UNUSED = 2"),
}


@pytest.fixture(scope="module")
def coded(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    project = ProjectFolder(tmp_path_factory.mktemp("coded"), zygote)
    for name, text in FILES.items():
        project.write(name, text)
    project.write("pipe.yaml", PIPELINE)
    assert computed(project.outcomes()) == {"frame", *STEPS}
    return project


@pytest.fixture
def edited(coded: ProjectFolder) -> Iterator[ProjectFolder]:
    """The project, whose files are put back afterwards."""
    before = {path: path.read_bytes() for path in coded.root.rglob("*.py")}
    yield coded
    for path, data in before.items():
        path.write_bytes(data)


def to_run(project: ProjectFolder) -> set[str]:
    return {name for name, step in project.plan().items() if step["outcome"] != "hit"}


@pytest.mark.parametrize("case", EDITS)
def test_an_edit_runs_the_steps_that_reach_it_and_no_other(case: str, edited: ProjectFolder) -> None:
    file, old, new, expected = EDITS[case]
    edited.edit(file, old, new)
    assert to_run(edited) - WHOLE - set(ALWAYS) == expected - WHOLE - set(ALWAYS)


@pytest.mark.parametrize("case", ["1.6 computed names", "1.1 subclasses that nobody names"])
def test_a_step_that_computes_names_counts_every_module_whole(case: str, edited: ProjectFolder) -> None:
    """1.6: getattr with a computed name, eval and their kind."""
    file, old, new, _ = EDITS[case]
    edited.edit(file, old, new)
    assert to_run(edited) >= WHOLE


@pytest.mark.parametrize("case", NO_EDITS)
def test_what_changes_no_result_runs_nothing(case: str, edited: ProjectFolder) -> None:
    edited.edit(*NO_EDITS[case])
    assert to_run(edited) - WHOLE == set(ALWAYS)


def test_a_value_that_can_not_be_encoded_is_told_with_the_path_to_it(coded: ProjectFolder) -> None:
    """1.4: it makes the steps that reach it uncacheable, with the path to it in the reason."""
    plan = coded.plan()
    assert {name for name, step in plan.items() if step["outcome"] != "hit"} == set(ALWAYS)
    for name, reason in ALWAYS.items():
        assert reason in plan[name]["reason"]


def test_going_back_is_a_hit_and_is_current(edited: ProjectFolder) -> None:
    """3.6: after A → B → A everything is a hit, and `show` gives A."""
    edited.edit("steps.py", "1 + 1", "1 + 2")
    assert "plain" in computed(edited.outcomes("--select", "plain"))
    assert edited.data("plain")[0]["x"] == 3
    edited.edit("steps.py", "1 + 2", "1 + 1")
    assert edited.outcomes("--select", "plain") == {"plain": "cached"}
    assert edited.data("plain")[0]["x"] == 2


def test_a_memo_that_a_step_fills_does_not_move_its_key(project: ProjectFolder) -> None:
    """1.4: a memo dictionary that a step fills must not move its own key."""
    make_shop(project)
    project.edit("transforms.py", "UNUSED = 1", "MEMO = {}")
    project.edit("transforms.py", "    return orders[", "    MEMO[1] = 1\n    return orders[")
    keys = {step["name"]: step["key"] for step in project.run()["steps"]}
    again = project.run()["steps"]
    assert {step["name"]: (step["outcome"], step["key"]) for step in again} == {
        name: ("cached", key) for name, key in keys.items()
    }


def test_a_memo_that_another_step_reaches_too_is_a_channel_between_them(project: ProjectFolder) -> None:
    """4.6, and the limit of the memo: reached under another name, it makes both of them run always."""
    make_shop(project)
    project.edit("transforms.py", "UNUSED = 1", "MEMO = {}\nclass Kept:\n    memo = MEMO")
    project.edit("transforms.py", "    return orders[", "    MEMO[1] = 1\n    return orders[")
    project.edit("transforms.py", "+ OFFSET", "+ len(Kept.memo)")
    project.run()
    reason = project.plan()["big_orders"]["reason"]
    assert "it changes the module value" in reason
    assert "transforms.MEMO" in reason


STALE = {
    "an equal size and the time restored": py_compile.PycInvalidationMode.TIMESTAMP,
    "bytecode that claims to need no check": py_compile.PycInvalidationMode.UNCHECKED_HASH,
}


@pytest.mark.parametrize("case", STALE)
def test_stale_bytecode_is_neither_run_nor_hashed(case: str, project: ProjectFolder) -> None:
    """1.2: the bytes that run are the bytes that are hashed."""
    make_shop(project)
    project.run()
    before = project.data("totals")
    path = project.root / "rules.py"
    times = path.stat()
    py_compile.compile(str(path), invalidation_mode=STALE[case])
    project.edit("rules.py", "return minimum", "return minimux")
    project.edit("rules.py", "def floor(minimum)", "def floor(minimux)")
    project.edit("rules.py", "return minimux", "return 1000000")
    path.write_text(path.read_text().replace("1000000", "1000000"[: len("minimum")]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    assert "big_orders" in computed(project.outcomes())
    assert project.data("totals") != before


def test_a_module_that_is_nothing_but_bytecode_counts_by_its_bytes(project: ProjectFolder) -> None:
    """1.7: anything that no RECORD lists is first-party, whatever it is loaded from."""
    make_shop(project)
    source = project.root / "rules.py"

    def compiled() -> None:
        py_compile.compile(str(source), cfile=str(project.root / "rules.pyc"))

    compiled()
    text = source.read_text()
    source.unlink()
    project.run()
    assert computed(project.outcomes()) == set()
    source.write_text(text.replace("return minimum", "return minimum + 1"))
    compiled()
    source.unlink()
    assert "big_orders" in computed(project.outcomes())


def test_a_compiled_extension_counts_by_its_bytes(project: ProjectFolder) -> None:
    """1.7: compiled extensions by their bytes. One of a library, put into the project."""
    found = importlib.util.find_spec("markupsafe._speedups")
    assert found is not None and found.origin is not None
    make_shop(project)
    target = project.root / "fast" / Path(found.origin).name
    target.parent.mkdir()
    target.write_bytes(Path(found.origin).read_bytes())
    project.edit("transforms.py", "import rules", "import rules\nfrom fast import _speedups")
    project.edit("transforms.py", "+ OFFSET", "+ len(_speedups._escape_inner('<'))")
    project.run()
    assert computed(project.outcomes()) == set()
    with target.open("ab") as file:
        file.write(b"\0")
    assert computed(project.outcomes()) == {"summary"}


def install_wheel(project: ProjectFolder, text: str) -> None:
    """Have pip install a wheel of the module ``tariff``, always of version 1.0, beside the project's code."""
    wheel = project.root.parent / "tariff-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tariff.py", text)
        archive.writestr("tariff-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tariff\nVersion: 1.0\n")
        archive.writestr("tariff-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tariff-1.0.dist-info/RECORD", "tariff.py,,\ntariff-1.0.dist-info/METADATA,,\n")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--upgrade"]
    subprocess.run([*pip, "--target", str(project.root), str(wheel)], check=True)


def test_a_local_wheel_that_was_built_again_at_its_version_counts_by_its_record(project: ProjectFolder) -> None:
    """1.7: plus the digest of its RECORD when it was installed from a local path."""
    make_shop(project)
    install_wheel(project, "def rate():\n    return 1\n")
    project.edit("transforms.py", "import rules", "import rules\nimport tariff")
    project.edit("transforms.py", "+ OFFSET", "+ tariff.rate()")
    project.run()
    install_wheel(project, "def rate():\n    return 1\n")
    assert computed(project.outcomes()) == set()
    install_wheel(project, "def rate():\n    return 2\n")
    assert computed(project.outcomes()) == {"summary"}


def test_code_that_a_step_unpickles_by_itself_is_part_of_its_result(project: ProjectFolder) -> None:
    """1.1: first-party code reached through a file that names it."""
    make_shop(project)
    project.write("models.py", "import deep\n\n\nclass Model:\n    def predict(self):\n        return deep.value()\n")
    project.write("deep.py", "def value():\n    return 1\n")
    project.edit("transforms.py", "import rules", "import pickle\nimport rules")
    project.edit("transforms.py", "+ OFFSET", "+ pickle.load(open('model.pkl', 'rb')).predict()")
    (project.root / "model.pkl").write_bytes(b"cmodels\nModel\n)\x81.")
    project.run()
    assert computed(project.outcomes()) == set()
    project.edit("deep.py", "return 1", "return 2")
    assert computed(project.outcomes()) == {"summary"}


def test_sql_counts_by_its_tokens_and_nothing_else_is_normalised(project: ProjectFolder) -> None:
    """1.8: the token text without comments and blank runs outside literals."""
    make_shop(project)
    project.edit("pipe.yaml", "select name, cast", "select '1  2' as x, name, cast")
    project.run()
    for old, new in (("select '1  2'", "select  /* c */\n          '1  2'"), ("as x, name", "as x,    name")):
        project.edit("pipe.yaml", old, new)
        assert computed(project.outcomes()) == set()
    for old, new in (("'1  2'", "'1 2'"), ("group by name", "GROUP BY name")):
        project.edit("pipe.yaml", old, new)
        assert "totals" in computed(project.outcomes())
