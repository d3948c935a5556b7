"""Random pipelines and random edits of their code: what a run with reuse computes, and what comes out.

Which steps must run after an edit, and every step's data, are worked out by ``tests/fuzz`` without the library, so
that needless work is caught as well as a wrong hit; at the end of each pipeline a run from nothing must give the same
versions.
``ODA_FUZZ_EDITS`` sets the number of edits in each of the two files, ``ODA_FUZZ_SEED`` the first seed; each is printed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from direct_run import DirectRuns
from fuzz.comparison import EDITS_PER_PIPELINE, compare
from fuzz.edits import KINDS_OF_THE_CODE, OF_THE_CODE
from project_folder import Zygote

EDITS = int(os.environ.get("ODA_FUZZ_EDITS", "250"))
SEED = int(os.environ.get("ODA_FUZZ_SEED", "20261129"))


@pytest.mark.fuzz
@pytest.mark.parametrize("number", range(max(1, EDITS // EDITS_PER_PIPELINE)))
def test_after_an_edit_of_code_exactly_what_it_reaches_runs_and_comes_out_as_from_nothing(
    number: int, tmp_path: Path, direct_runs: DirectRuns, zygote: Zygote
) -> None:
    edits = min(EDITS, EDITS_PER_PIPELINE)
    print(compare(SEED + number, edits, __file__, tmp_path, direct_runs, zygote, KINDS_OF_THE_CODE, OF_THE_CODE))
