"""State through which one step could reach another is put back, and what changed it is told."""

from __future__ import annotations

import decimal
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from odibi_assets.execute.hidden_channels import HiddenChannels

CHANGES: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "pandas options": (lambda: pd.set_option("display.width", 17), lambda: pd.get_option("display.width")),
    "numpy options": (lambda: np.seterr(all="raise"), np.geterr),
    "environment variables": (lambda: os.environ.__setitem__("LEAK", "1"), lambda: os.environ.get("LEAK")),
    "the decimal context": (lambda: setattr(decimal.getcontext(), "prec", 7), lambda: decimal.getcontext().prec),
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
