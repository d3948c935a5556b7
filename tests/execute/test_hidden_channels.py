"""State through which one step could reach another is put back, and what changed it is told."""

from __future__ import annotations

import decimal
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from odibi_assets.execute.hidden_channels import GlobalGenerators, HiddenChannels

CHANGES: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "pandas options": (lambda: pd.set_option("display.width", 17), lambda: pd.get_option("display.width")),
    "numpy options": (lambda: np.seterr(all="raise"), np.geterr),
    "environment variables": (lambda: os.environ.__setitem__("LEAK", "1"), lambda: os.environ.get("LEAK")),
    "the decimal context": (lambda: setattr(decimal.getcontext(), "prec", 7), lambda: decimal.getcontext().prec),
    "sys.path": (lambda: sys.path.append("/elsewhere"), lambda: list(sys.path)),
    "the working directory": (lambda: os.chdir("/"), os.getcwd),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named_and_undone(name: str) -> None:
    change, look = CHANGES[name]
    before = look()
    channels = HiddenChannels.taken()
    change()
    assert look() != before
    assert channels.restore() == (name,)
    assert look() == before


def test_nothing_changed_is_nothing_named(tmp_path: Path) -> None:
    assert HiddenChannels.taken().restore() == ()


DRAWS: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "nothing": (lambda: np.random.default_rng(3).random(), ()),
    "random": (random.random, ("random",)),
    "numpy": (lambda: np.random.rand(1), ("numpy.random",)),
    "a sample": (lambda: pd.DataFrame({"a": [1, 2]}).sample(1), ("numpy.random",)),
    "a sample with a seed": (lambda: pd.DataFrame({"a": [1, 2]}).sample(1, random_state=1), ()),
    "a normal number": (lambda: np.random.normal(), ("numpy.random",)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_who_draws_from_a_generator_that_all_share_is_seen(name: str) -> None:
    draw, expected = DRAWS[name]
    generators = GlobalGenerators.taken()
    draw()
    assert generators.drawn() == expected
