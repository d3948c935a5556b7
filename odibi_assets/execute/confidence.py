"""How large a rate may be, given how often something was seen in so many trials."""

from __future__ import annotations

import math

_HALVINGS = 60


def upper_bound(seen: int, trials: int, *, confidence: float = 0.95) -> float:
    """The exact one-sided upper bound of a rate (Clopper and Pearson 1934): no larger rate is likely to show so little.

    It is the rate at which seeing this few or fewer has the probability ``1 - confidence``; after no failure in
    ``n`` trials at 95% about ``3 / n``.

    >>> round(upper_bound(0, 60), 4), round(upper_bound(1, 20), 4), upper_bound(3, 3)
    (0.0487, 0.2161, 1.0)
    """
    if seen >= trials:
        return 1.0
    low, high = seen / trials, 1.0
    for _ in range(_HALVINGS):
        rate = (low + high) / 2
        if _at_most(seen, trials, rate) > 1 - confidence:
            low = rate
        else:
            high = rate
    return high


def _at_most(most: int, trials: int, rate: float) -> float:
    """The probability of seeing at most so many, by logarithms, as the factors under- and overflow."""
    if rate in (0.0, 1.0):
        return float(rate == 0.0)
    return math.fsum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(seen + 1)
            - math.lgamma(trials - seen + 1)
            + seen * math.log(rate)
            + (trials - seen) * math.log1p(-rate)
        )
        for seen in range(most + 1)
    )
