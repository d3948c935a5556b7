"""Policies are values: their waits, their bounds, what they refuse."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from odibi_assets.declare.policies import Cache, Checkpoint, Retention, Retry, StepCache
from odibi_assets.declare.step import Step, secret_template


@pytest.mark.parametrize(
    ("retry", "waits"),
    [
        (Retry(delay=2), [2, 2, 2, 2]),
        (Retry(delay=2, backoff="linear"), [2, 4, 6, 8]),
        (Retry(delay=2, backoff="exponential"), [2, 6, 14, 30]),
        (Retry(delay=2, backoff="exponential", max_delay=10), [2, 6, 10, 10]),
        (Retry(delay=2, max_delay=0), [0, 0, 0, 0]),
        (Retry(), [0, 0, 0, 0]),
    ],
)
def test_waits_grow_as_declared(retry: Retry, waits: list[float]) -> None:
    assert [retry.wait_s(attempt=attempt) for attempt in (1, 2, 3, 4)] == waits


def test_nothing_is_retried_unless_asked() -> None:
    assert Retry().max_retries == 0
    assert Checkpoint().mode == "auto"
    assert Cache().enabled is True
    assert StepCache() == StepCache(source_version=None, ttl=None, allow=())


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (Retry, {"max_retries": -1}),
        (Retry, {"max_retries": 1.5}),
        (Retry, {"max_retries": True}),
        (Retry, {"max_retries": "3"}),
        (Retry, {"delay": -0.1}),
        (Retry, {"delay": float("inf")}),
        (Retry, {"delay": float("nan")}),
        (Retry, {"backoff": "cubic"}),
        (Retry, {"jitter": True}),
        (Retry, {"on_timeout": "no"}),
        (Checkpoint, {"mode": "hourly"}),
        (Checkpoint, {"mode": "layer", "seconds": 60}),
        (Cache, {"enabled": "yes"}),
        (StepCache, {"ttl": -1}),
        (StepCache, {"allow": ["everything"]}),
        (StepCache, {"source_version": 1}),
    ],
)
def test_a_value_outside_its_bounds_is_refused(model: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model(**fields)


def test_a_policy_can_not_be_changed() -> None:
    retry = Retry()
    with pytest.raises(ValidationError):
        retry.max_retries = 3  # type: ignore[misc]


def test_upstream_names_each_step_once_data_first() -> None:
    step = Step(name="a", layer="gold", sql="select 1", inputs={"x": "b", "y": "c", "z": "b"}, after=("d", "c"))
    assert step.upstream == ("b", "c", "d")


def test_a_secret_is_no_part_of_what_counts() -> None:
    step = Step(
        name="a", layer="gold", python="m:f", params={"token": {"secret": "{{ env.T }}"}, "n": {"secret": 1, "x": 2}}
    )
    assert step.params_in_key() == {"n": {"secret": 1, "x": 2}}
    assert secret_template({"secret": "{{ env.T }}"}) == "{{ env.T }}"
    assert secret_template("{{ env.T }}") is None


def test_by_default_five_results_fifty_snapshots_and_a_week_are_kept() -> None:
    assert Retention().model_dump() == {"results": 5, "snapshots": 50, "grace_days": 7.0}


@pytest.mark.parametrize("wrong", [{"results": -1}, {"snapshots": 0}, {"grace_days": -0.5}, {"grace_days": math.inf}])
def test_retention_keeps_at_least_what_is_current(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Retention.model_validate(wrong)
