"""What two code objects have in common when only their text differs, and what keeps them apart."""

from __future__ import annotations

import textwrap
import types

import pytest

from odibi_assets.identify.code_object import Reference, code_digest, usage


def code(source: str) -> types.CodeType:
    module = compile(textwrap.dedent(source), "steps.py", "exec")
    return next(constant for constant in module.co_consts if isinstance(constant, types.CodeType))


BASE = """
def f(a, b=1, *, c=2):
    for x in [1, 2, 3]:
        if x > a and b or c:
            try:
                yield g(x, key=b)
            except ValueError as error:
                raise KeyError from error
    return {y: z for y, z in a if y in {1, 2}}
"""

SAME = {
    "comments": ("    for x", "    # why\n    for x"),
    "a docstring": ("    for x", '    """Text."""\n    for x'),
    "lines": ("[1, 2, 3]", "[\n 1,\n\n 2, 3]"),
    "brackets": ("x > a and b or c", "((x > a) and b) or (c)"),
    "indentation": ("                raise", "                  raise"),
    "the order of a set's constants": ("{1, 2}", "{2, 1}"),
    "a default, which is not in the code": ("b=1", "b=7"),
}


@pytest.mark.parametrize("case", SAME, ids=list(SAME))
def test_how_it_is_written_leaves_no_trace(case: str) -> None:
    old, new = SAME[case]
    assert old in BASE
    assert code_digest(code(BASE.replace(old, new))) == code_digest(code(BASE))


OTHER = {
    "a constant": ("[1, 2, 3]", "[1, 2, 4]"),
    "a constant's type": ("[1, 2, 3]", "[1, 2, 3.0]"),
    "a truth for a number": ("{1, 2}", "{True, 2}"),
    "a comparison": ("x > a", "x >= a"),
    "an operator": ("and b", "or b"),
    "a called name": ("g(x", "h(x"),
    "a keyword": ("key=b", "kay=b"),
    "an exception": ("ValueError", "TypeError"),
    "a cause": (" from error", ""),
    "a parameter's name": ("c=2", "d=2"),
    "a kind of parameter": (", *, c=2", ", c=2"),
    "a membership": ("y in {1, 2}", "y not in {1, 2}"),
    "a comprehension": ("{y: z", "{z: y"),
    "a generator made a function": ("yield g", "g"),
    "asynchronous": ("def f", "async def f"),
    "negative zero": ("{1, 2}", "{0.0, 2}"),
}


@pytest.mark.parametrize("case", OTHER, ids=list(OTHER))
def test_what_it_does_counts(case: str) -> None:
    old, new = OTHER[case]
    assert old in BASE
    changed = BASE.replace(old, new)
    if case == "asynchronous":
        changed = changed.replace("    return {y: z for y, z in a if y in {1, 2}}\n", "")
        assert code_digest(code(changed)) != code_digest(code(changed.replace("async ", "")))
    else:
        assert code_digest(code(changed)) != code_digest(code(BASE))


@pytest.mark.parametrize(
    ("one", "other"),
    [("0.0", "-0.0"), ("1", "True"), ("'a'", "b'a'"), ("(1, 2)", "(1, 2.0)"), ("1e999", "1e308"), ("None", "...")],
)
def test_constants_that_compare_alike_are_kept_apart(one: str, other: str) -> None:
    assert code_digest(code(f"def f():\n return {one}")) != code_digest(code(f"def f():\n return {other}"))


def test_where_a_jump_leads_counts() -> None:
    one = "def f(a):\n while a:\n  a -= 1\n  if a:\n   continue\n  a -= 2\n return a"
    assert code_digest(code(one)) != code_digest(code(one.replace("continue", "break")))


def test_what_a_try_covers_counts() -> None:
    one = "def f(a):\n try:\n  g()\n  h()\n except E:\n  pass"
    other = "def f(a):\n try:\n  g()\n except E:\n  pass\n h()"
    assert code_digest(code(one)) != code_digest(code(other))


def test_a_long_function_jumps_where_it_jumps() -> None:
    filler = "".join(f"  a = a + {i}\n" for i in range(400))
    one = code(f"def f(a):\n for x in a:\n{filler}  if x: break\n return a")
    other = code(f"def f(a):\n for x in a:\n{filler}  if x: continue\n return a")
    again = code(f"def f(a):\n\n for x in a:\n\n{filler}\n  if x: break\n return a")
    assert code_digest(one) == code_digest(again) != code_digest(other)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return helper(a)", [("helper", ())]),
        ("return rules.tax.rate(a)", [("rules", ("tax", "rate"))]),
        ("return [inner(x) for x in a]", [("inner", ())]),
        ("return (lambda: late)()", [("late", ())]),
        ("class C(Base):\n  x = VALUE", [("Base", ()), ("VALUE", ())]),
        ("from m import f as g; return g(a)", [("m", ("f",))]),
        ("from . import m; return m.f(a)", [("", ("m",)), ("", ("m", "f"))]),
        ("from ..p.m import f; return f(a)", [("p.m", ("f",))]),
        ("import a.b.c as d; return d.e(a)", [("a.b.c", ("e",))]),
        ("import a.b; return a.b.f()", [("a.b", ()), ("a", ("b", "f"))]),
        ("del a\n @decorate\n def g(): pass", [("decorate", ())]),
        ("global made\n made = 1", []),
    ],
)  # fmt: skip
def test_every_outside_name_is_found(body: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    found = [(reference.name, reference.attributes) for reference in usage(code(f"def f(a):\n {body}")).references]
    assert [pair for pair in expected if pair not in found] == []


def test_a_relative_import_has_its_level_and_line() -> None:
    (reference, *_) = usage(code("\n\ndef f(a):\n\n from ..m import g")).references
    assert reference == Reference("m", ("g",), 5, imported=True, level=2)


@pytest.mark.parametrize(
    ("body", "names", "imports"),
    [
        ("return getattr(a, 'sum')()", False, False),
        ("return getattr(a, 'sum', None)", False, False),
        ("return getattr(a, name)", True, False),
        ("return getattr(a, 'x' + name)", True, False),
        ("return getattr(a, f'x{name}', None)", True, False),
        ("return getattr(make(a, 1), 'x')", True, False),
        ("setattr(a, name, 1)", True, False),
        ("return globals()['x']", True, False),
        ("return vars(a)", True, False),
        ("return eval('1')", True, True),
        ("exec('x')", True, True),
        ("return __import__('x')", True, True),
        ("import importlib; return importlib.import_module('x')", True, True),
        ("from importlib import import_module; return import_module('x')", True, True),
        ("import importlib.metadata as m; return m.version('x')", False, False),
        ("import importlib.metadata; return importlib.metadata.version('x')", False, False),
        ("import sys; return sys.modules['x']", True, False),
        ("import sys; return sys.argv", False, False),
        ("return [getattr(x, name) for x in a]", True, False),
    ],
)
def test_names_computed_at_run_time_are_noticed(body: str, names: bool, imports: bool) -> None:
    found = usage(code(f"def f(a, name):\n {body}"))
    assert (found.computes_names is not None, found.computes_imports is not None) == (names, imports)
