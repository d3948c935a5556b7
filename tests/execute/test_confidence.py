"""The bound of a rate is exact: no larger rate is likely to show as little as was seen."""

from __future__ import annotations

import math

import pytest

from odibi_assets.execute.confidence import upper_bound


@pytest.mark.parametrize("trials", [1, 2, 20, 1000, 100_000])
def test_after_no_failure_the_bound_is_that_of_the_closed_form(trials: int) -> None:
    assert upper_bound(0, trials) == pytest.approx(1 - 0.05 ** (1 / trials), rel=1e-9)


@pytest.mark.parametrize(("seen", "trials"), [(1, 2), (1, 20), (3, 20), (19, 20), (7, 300)])
def test_at_the_bound_seeing_so_little_has_five_percent(seen: int, trials: int) -> None:
    rate = upper_bound(seen, trials)
    tail = sum(math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(seen + 1))
    assert tail == pytest.approx(0.05, rel=1e-9)


def test_where_all_failed_no_rate_is_excluded() -> None:
    assert upper_bound(4, 4) == 1.0


def test_more_confidence_makes_a_larger_bound() -> None:
    assert upper_bound(1, 50, confidence=0.99) > upper_bound(1, 50)
