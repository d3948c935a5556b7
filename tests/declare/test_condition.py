"""Conditions: what they may say, and what comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from odibi_assets.declare.condition import Condition
from odibi_assets.declare.template import BadTemplate
from odibi_assets.errors import UsageError

PARAMS = {
    "year": 2013,
    "window": {"days": 3},
    "full": True,
    "regions": ["eu", "us"],
    "none": None,
    "token": "{{ env.A }}",
}


@pytest.mark.parametrize(
    ("written", "holds"),
    [
        (True, True),
        (False, False),
        ("{{ true }}", True),
        ("{{ params.full }}", True),
        ("{{ not params.full }}", False),
        ("{{ params.year > 2012 }}", True),
        ("{{ 2010 <= params.year < 2013 }}", False),
        ("{{ params.window.days == 3 }}", True),
        ("{{ params.year != 2013 or params.window.days == 3 and params.full }}", True),
        ("{{ (params.year != 2013 or params.full) and params.window.days == 4 }}", False),
        ("{{ env.A in params.regions }}", True),
        ("{{ env.A not in ['us', 'ap'] }}", True),
        ("{{ env.B == none }}", True),
        ("{{ env.B != none and env.B > 'a' }}", False),
        ("{{ params.none == null }}", True),
        ("{{ -1 < params.year }}", True),
        ("{{ params.token == 'eu' }}", True),
        ("  {{params.full}} ", True),
    ],
)
def test_a_condition_is_true_or_false(written: object, holds: bool) -> None:
    assert Condition.of(written, PARAMS).holds({"A": "eu"}) is holds


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (None, "None"),
        (1, "1"),
        ("true", "true"),
        ("{{ params.full", "{{ params.full"),
        ("{{ params.full }} and {{ params.full }}", "{{ params.full }} and {{ params.full }}"),
        ("{{ params.year > }}", "params.year >"),
        ("{{ params.year }}", "params.year, which is a number"),
        ("{{ params.none }}", "params.none, which is a none"),
        ("{{ env.A }}", "env.A, which is a text"),
        ("{{ params.full and params.year }}", "params.year, which is a number"),
        ("{{ not params.full and params.year }}", "params.year, which is a number"),
        ("{{ env.A > 3 }}", "env.A > 3, which compares a text with a number"),
        ("{{ params.window == 3 }}", "params.window, {'days': 3}"),
        ("{{ params.yaer == 3 }}", "{{ params.yaer }}"),
        ("{{ params.year is 3 }}", "params.year is 3"),
        ("{{ open('x') }}", "open('x')"),
        ("{{ params.regions[0] == 3 }}", "params.regions[0]"),
        ("{{ [c for c in params.regions] == [] }}", "[c for c in params.regions]"),
        ("{{ params.year + 1 == 3 }}", "params.year + 1"),
        ("{{ -'a' == 1 }}", "-'a'"),
        ("{{ tru }}", "tru"),
    ],
)
def test_what_is_no_condition_is_refused_and_named(written: object, found: str) -> None:
    with pytest.raises(BadTemplate) as error:
        Condition.of(written, PARAMS)
    assert error.value.found == found


def test_what_only_the_environment_shows_is_an_error_when_it_is_decided() -> None:
    condition = Condition.of("{{ env.YEAR > '2012' }}", {})
    assert condition.holds({"YEAR": "2013"})
    with pytest.raises(UsageError, match="compares a none with a text"):
        condition.holds({})


def test_a_condition_shows_the_params_that_it_names_and_no_variable() -> None:
    condition = Condition.of("{{ params.year > 2012 and env.A == 's' }}", PARAMS)
    assert str(condition) == "params.year > 2012 and env.A == 's', with params.year = 2013"


def test_a_condition_comes_back_from_a_witness() -> None:
    condition = Condition.of("{{ params.year in [2012, 2013] }}", PARAMS)
    data: Any = condition.to_json()
    assert Condition(**data) == condition
