"""Runs that are killed at random moments, with all that they started, and then run to the end.

`make torture` kills a thousand; the tests of a checkout a few in each mode. A seed is printed, and
`ODA_TORTURE_SEED` takes it again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from project_folder import ProjectFolder
from torture.generations import generation_of
from torture.shaken import expected_report, make_shaken, set_generation

from odibi_assets.keep.results import open_results

CASES = [
    (checkpoint, workers)
    for checkpoint in ("{mode: auto}", "{mode: layer}", "{mode: interval, seconds: 0.05}", "{mode: manual}")
    for workers in (1, 2)
]
KILLS = -(-int(os.environ.get("ODA_TORTURE_KILLS", "24")) // len(CASES))
"""In each case."""

LAYERS = ("numbers,files", "squares,pages,joined", "trained,report")
STEPS_THAT_NOTE = ("squares", "pages", "trained", "report")
TESTS = Path(__file__).parents[1]


class Torture:
    """One project, whose runs are killed.

    Attributes:
        committed: Step and generation of the results that were in the store after the last kill.
        kills: How many runs were killed; those that were done before do not count.
    """

    def __init__(self, project: ProjectFolder, checkpoint: str, workers: int, dice: random.Random) -> None:
        make_shaken(project, checkpoint)
        self.project, self.workers, self.dice = project, workers, dice
        self.is_layered = "layer" in checkpoint
        self.generation, self.kills, self.read_notes = 0, 0, 0
        self.longest_s = 3.0 if workers == 1 else 8.0
        self.committed: set[tuple[str, int]] = set()
        self.known: dict[str, tuple[str, int]] = {}

    def attempt(self, kill_after_s: float | None) -> int:
        """Run or resume; returns the exit status."""
        last = self.project.oda("history", "pipe.yaml", "--json").json["runs"][:1]
        command = "resume" if last and last[0]["can_resume"] and self.dice.random() < 0.5 else "run"
        more = ["--workers", str(self.workers)] if command == "run" else []
        answer = self.project.oda(command, "pipe.yaml", *more, kill_after_s=kill_after_s)
        assert answer.status in (0, -signal.SIGKILL), answer.text
        if answer.status:
            self.kills += 1
        self.check_nothing_committed_was_executed_again()
        return answer.status

    def check_nothing_committed_was_executed_again(self) -> None:
        path = self.project.root / "noted"
        lines = path.read_text().splitlines() if path.exists() else []
        executed = {(line.split()[0], int(line.split()[1])) for line in lines[self.read_notes :]}
        self.read_notes = len(lines)
        assert not executed & self.committed, f"executed again though committed: {executed & self.committed}"
        self.committed = set(self.stored())

    def stored(self) -> Iterator[tuple[str, int]]:
        results = open_results(self.project.root / ".oda")
        for result in results.all():
            name = f"{result.key.digest()} {result.generation}"
            if name not in self.known:
                folder = self.project.root / "looked-at"
                self.known[name] = (result.key.step, generation_of(result, results, folder))
            yield self.known[name]

    def one_generation(self, kills: int) -> None:
        """New data; a run that is killed and killed again, then one that may end."""
        self.generation += 1
        set_generation(self.project, self.generation)
        for _ in range(kills):
            if self.attempt(self.dice.uniform(0.02, self.longest_s)) == 0:
                self.longest_s = max(self.longest_s * 0.8, 0.3)
        assert self.attempt(None) == 0
        self.check_end()

    def check_end(self) -> None:
        assert json.loads((self.project.root / "out" / "report.json").read_text()) == expected_report(self.generation)
        shown = self.project.oda("show", "pipe.yaml", "report")
        assert json.loads(shown.stdout.splitlines()[0]) == expected_report(self.generation)
        verified = self.project.oda("cache", "verify")
        assert verified.status == 0, verified.text
        again = self.project.outcomes()
        assert set(again.values()) == {"cached"}, again

    def check_dagster(self) -> None:
        """No run is left at work in Dagster once its monitor looked."""
        assert self.project.oda("sync", "pipe.yaml").status == 0
        with dg.DagsterInstance.from_config(str(self.project.root / "dagster_home")) as instance:
            statuses = Counter(run.status for run in instance.get_runs())
        assert not set(statuses) - {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}, statuses
        assert statuses[dg.DagsterRunStatus.SUCCESS] >= 1


@pytest.fixture
def dice() -> random.Random:
    seed = int(os.environ.get("ODA_TORTURE_SEED", random.randrange(10**6)))
    print(f"ODA_TORTURE_SEED={seed}")
    return random.Random(seed)


@pytest.mark.parametrize(("checkpoint", "workers"), CASES)
def test_a_run_that_is_killed_anywhere_ends_well_when_it_is_run_again(
    project: ProjectFolder, dice: random.Random, checkpoint: str, workers: int
) -> None:
    torture = Torture(project, checkpoint, workers, dice)
    set_generation(project, 0)
    project.run()
    torture.check_nothing_committed_was_executed_again()
    layers = LAYERS if torture.is_layered else ()
    command = [
        sys.executable,
        "-m",
        "torture.watching",
        str(project.root / ".oda"),
        str(project.root / "watched"),
        *layers,
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=TESTS, stdin=pipe, stdout=pipe, stderr=pipe) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"watching\n"
        while torture.kills < KILLS:
            torture.one_generation(dice.randint(1, 4))
            assert reader.poll() is None, reader.communicate()[1].decode()
        seen, errors = reader.communicate()
        assert reader.returncode == 0, errors.decode()
    assert int(seen) >= torture.generation
    torture.check_dagster()
    print(f"{checkpoint}, {workers} workers: {torture.kills} kills, {torture.generation} generations, {seen.decode()}")
