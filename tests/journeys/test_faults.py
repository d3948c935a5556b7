"""A store that fails, lies or dawdles at any operation of a run: a clear error or a degraded run, never wrong data."""

from __future__ import annotations

import errno
import json
import os
import random
import uuid
from pathlib import Path

import pytest
from faults import Fault
from project_folder import Answer, ProjectFolder, Zygote
from servers.s3 import environment
from servers.seaweedfs import SeaweedFS
from servers.unsteady import UnsteadyWay
from torture.shaken import expected_report, make_shaken, set_generation

KILLS = int(os.environ.get("ODA_TORTURE_KILLS", "24"))
IS_LONG = KILLS > 24
"""`make torture` tries each kind of fault in each mode; the tests of a checkout each kind and each mode."""

POSITIONS = max(2, KILLS // 24)
"""Operations that are tried with each kind of fault."""

KINDS = {
    "no space": Fault(0, "error", errno.ENOSPC),
    "no space from then on": Fault(0, "error", errno.ENOSPC, lasts=True),
    "an input or output error": Fault(0, "error", errno.EIO),
    "permission denied from then on": Fault(0, "error", errno.EACCES, lasts=True),
    "a lost reply": Fault(0, "lost reply", errno.EIO),
    "slow": Fault(0, "slow", lasts=True),
}


def check_answer(answer: Answer) -> None:
    """It succeeded, or it says what happened."""
    assert answer.status in (0, 1, 2), answer.text
    assert "Traceback" not in answer.text, answer.text
    if answer.status:
        assert answer.text.strip()


def check_mended(project: ProjectFolder, generation: int) -> None:
    """Without the fault, everything comes out right."""
    answer = project.oda("run", "pipe.yaml")
    assert answer.status == 0, answer.text
    assert json.loads((project.root / "out" / "report.json").read_text()) == expected_report(generation)
    shown = project.oda("show", "pipe.yaml", "report")
    assert json.loads(shown.stdout.splitlines()[0]) == expected_report(generation)
    verified = project.oda("cache", "verify")
    assert verified.status == 0, verified.text


MODES = ("{mode: auto}", "{mode: layer}", "{mode: manual}")
CASES = [(kind, mode) for i, kind in enumerate(KINDS) for j, mode in enumerate(MODES) if IS_LONG or i % len(MODES) == j]


@pytest.mark.parametrize(("kind", "checkpoint"), CASES)
def test_a_fault_at_any_operation_of_the_store_is_survived(project: ProjectFolder, kind: str, checkpoint: str) -> None:
    make_shaken(project, checkpoint)
    set_generation(project, 0)
    counted = project.root / "counted"
    assert project.oda("run", "pipe.yaml", fault=Fault(0, "slow", counted=str(counted))).status == 0
    operations = range(1, int(counted.read_text()) + 1)
    assert len(operations) > 50
    dice = random.Random(f"{kind} {checkpoint}")
    for generation, at in enumerate(dice.sample(operations, min(POSITIONS, len(operations))), start=1):
        set_generation(project, generation)
        fault = Fault(at, KINDS[kind].kind, KINDS[kind].errno, KINDS[kind].lasts)
        check_answer(project.oda("run", "pipe.yaml", fault=fault))
        check_mended(project, generation)


ANSWERS = [(500, 1), (503, 2), (500, 5), (503, 1), (500, 2), (503, 5)]
"""A status, and that each n-th request is answered with it."""


@pytest.mark.parametrize(("status", "every"), ANSWERS if IS_LONG else ANSWERS[:3])
def test_a_bucket_that_answers_with_errors_is_asked_again_or_done_without(
    seaweedfs: SeaweedFS, way: UnsteadyWay, tmp_path: Path, zygote: Zygote, status: int, every: int
) -> None:
    url = f"s3://{seaweedfs.make_bucket(f'faults-{uuid.uuid4().hex[:8]}')}"
    project = ProjectFolder(tmp_path, zygote, {"ODA_STORE": url, **environment(way.endpoint)})
    make_shaken(project, "{mode: layer}")
    set_generation(project, 0)
    assert project.oda("run", "pipe.yaml").status == 0
    set_generation(project, 1)
    way.refused_every, way.refused_with = every, status
    answer = project.oda("run", "pipe.yaml")
    check_answer(answer)
    assert answer.status == 0, answer.text
    way.refused_every = 0
    check_mended(project, 1)
