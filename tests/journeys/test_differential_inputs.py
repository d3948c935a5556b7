"""As ``test_differential.py``, with edits of data, params, bindings, structure, variables and files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from direct_run import DirectRuns
from fuzz.comparison import EDITS_PER_PIPELINE, compare
from fuzz.edits import KINDS_OF_THE_REST, OF_THE_REST
from project_folder import Zygote

EDITS = int(os.environ.get("ODA_FUZZ_EDITS", "250"))
SEED = int(os.environ.get("ODA_FUZZ_SEED", "30261129"))


@pytest.mark.fuzz
@pytest.mark.parametrize("number", range(max(1, EDITS // EDITS_PER_PIPELINE)))
def test_after_an_edit_exactly_what_it_reaches_runs_and_comes_out_as_from_nothing(
    number: int, tmp_path: Path, direct_runs: DirectRuns, zygote: Zygote
) -> None:
    edits = min(EDITS, EDITS_PER_PIPELINE)
    print(compare(SEED + number, edits, __file__, tmp_path, direct_runs, zygote, KINDS_OF_THE_REST, OF_THE_REST))
