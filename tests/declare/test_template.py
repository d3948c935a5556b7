"""Templates keep types, leave the environment alone until a step runs, and refuse what they don't know."""

from __future__ import annotations

from typing import Any

import pytest

from odibi_assets.declare.template import BadTemplate, env_names, fill_env, fill_params
from odibi_assets.errors import UsageError

PARAMS = {"year": 2013, "ratio": 0.5, "on": True, "none": None, "list": [1, "a"], "deep": {"er": {"est": 7}}}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ params.year }}", 2013),
        ("{{params.year}}", 2013),
        ("  {{ params.year }}  ", 2013),
        ("{{ params.ratio }}", 0.5),
        ("{{ params.on }}", True),
        ("{{ params.none }}", None),
        ("{{ params.list }}", [1, "a"]),
        ("{{ params.deep.er.est }}", 7),
        ("y{{ params.year }}-{{ params.on }}.csv", "y2013-True.csv"),
        ("{{ params.year }}{{ params.year }}", "20132013"),
        ("no template", "no template"),
        ("{ params.year }", "{ params.year }"),
        ("a }} b", "a }} b"),
        ("{'a': {'b': 1}}", "{'a': {'b': 1}}"),
        (["{{ params.year }}", {"{{ params.year }}": "{{ params.ratio }}"}], [2013, {2013: 0.5}]),
        (("{{ params.year }}",), (2013,)),
        (5, 5),
    ],
)
def test_a_param_is_filled_in(template: Any, value: Any) -> None:
    filled = fill_params(template, PARAMS)
    assert filled == value
    assert type(filled) is type(value)


def test_a_filled_value_is_not_filled_again() -> None:
    assert fill_params("{{ params.a }}", {"a": "{{ params.b }}"}) == "{{ params.b }}"


@pytest.mark.parametrize(
    "template",
    [
        "{{ params.yaer }}", "{{ params }}", "{{ year }}", "{{ params.year.month }}", "{{ params.deep.es }}", "{{ }}",
        "{{ params.year + 1 }}", "{{ params.year | upper }}", "{{ open('x') }}", "x {{ params.yaer }}",
        "{{ params.year",
        "{{ env.1 }}", "{{ PARAMS.year }}", "{{ {{ params.year }} }}",
    ],
)  # fmt: skip
def test_what_names_no_param_and_no_variable_is_refused(template: str) -> None:
    with pytest.raises(BadTemplate):
        env_names(fill_params(template, PARAMS))


def test_the_refusal_offers_the_names_there_are() -> None:
    with pytest.raises(BadTemplate) as caught:
        fill_params("{{ params.deep.xx }}", PARAMS)
    assert caught.value.choices == ("er",)


def test_the_environment_stays_a_template_when_params_are_filled() -> None:
    assert fill_params("{{ env.HOST }}:{{ params.year }}", PARAMS) == "{{ env.HOST }}:2013"
    assert fill_params("{{ env.HOST }}", PARAMS) == "{{ env.HOST }}"


def test_the_environment_gives_texts() -> None:
    env = {"PORT": "80", "HOST": "h"}
    assert fill_env({"a": ["{{ env.PORT }}"], "b": "{{ env.HOST }}:{{ env.PORT }}"}, env) == {"a": ["80"], "b": "h:80"}


def test_a_variable_that_holds_a_template_is_not_filled_again() -> None:
    assert fill_env("{{ env.A }}", {"A": "{{ env.B }}"}) == "{{ env.B }}"


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(UsageError, match="TOKEN is not set"):
        fill_env("{{ env.TOKEN }}", {})


def test_the_names_of_variables_are_found_everywhere() -> None:
    assert env_names([{"{{ env.A }}": ("x{{ env.B }}y",)}, 5, None, "{{env.C}}{{ env.A }}"]) == {"A", "B", "C"}
