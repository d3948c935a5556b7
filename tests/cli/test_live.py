"""The live view of a run, rendered at chosen moments of a clock."""

from __future__ import annotations

import io

from rich.console import Console

from odibi_assets.cli.live import LiveRun
from odibi_assets.decide.decision import Decision, skipped
from odibi_assets.decide.plan import Plan
from odibi_assets.decide.reason import Reason
from odibi_assets.identify.identity import PipelineIdentity, StepIdentity
from odibi_assets.identify.key import Key


def steps(count: int, layer: str) -> tuple[StepIdentity, ...]:
    return tuple(StepIdentity(f"{layer}_{i}", layer, "sql", Key(f"{layer}_{i}")) for i in range(count))


class Watched:
    """A view of a run, and its clock."""

    def __init__(self, *layers: tuple[str, int], **more: Decision) -> None:
        self.at = 0.0
        every = tuple(step for layer, count in layers for step in steps(count, layer))
        self.view = LiveRun(PipelineIdentity("pipe", tuple(layer for layer, _ in layers), every), lambda: self.at)
        decisions = {step.name: Decision(step, "miss", (Reason("first", "no result yet"),)) for step in every}
        self.plan = Plan({**decisions, **more})

    def begin(self, **earlier_s: float) -> None:
        self.view.planned(self.plan, self.plan.to_run, earlier_s=earlier_s, workers=1)

    def screen(self, *, height: int = 40) -> list[str]:
        file = io.StringIO()
        Console(file=file, width=90, height=height).print(self.view)
        return [" ".join(line.split()) for line in file.getvalue().splitlines()]


def test_before_the_plan_it_says_what_it_does() -> None:
    watched = Watched(("bronze", 2))
    watched.at = 2.0
    assert "looking at what changed, 2.0 s" in watched.screen()[0]


def test_elapsed_rows_and_time_left_follow_the_events() -> None:
    watched = Watched(("bronze", 1), ("gold", 2))
    watched.begin(bronze_0=10.0, gold_0=4.0)
    watched.view.step("bronze_0", "running")
    watched.at = 4.0
    watched.view.step("bronze_0", "reading")
    first = watched.screen()
    assert "0/3 steps, 4.0 s, about 17.0 s left" in first[0]
    assert any(line.endswith("bronze_0 reading 4.0 s") for line in first)
    watched.view.step("bronze_0", "computed", rows=1234)
    watched.view.step("bronze_0", "committing")
    watched.at = 5.0
    second = watched.screen()
    assert "1/3 steps, 5.0 s, about 8.0 s left" in second[0]
    assert "✓ bronze_0 computed 1,234 rows 4.0 s" in second
    assert second[-1] == "storing bronze_0 1.0 s"
    watched.view.step("bronze_0", "committed")
    assert "storing" not in " ".join(watched.screen())


def test_how_far_a_long_read_or_commit_is_stands_beside_it() -> None:
    watched = Watched(("bronze", 1))
    watched.begin()
    watched.view.step("bronze_0", "running")
    watched.view.step("bronze_0", "reading")
    watched.view.moved("bronze_0", "fetched", 3 * 2**20, 2**30)
    assert any(line.endswith("bronze_0 fetched 3.0 MB of 1.0 GB 0.0 s") for line in watched.screen())
    watched.view.step("bronze_0", "computing")
    assert "fetched" not in " ".join(watched.screen())
    watched.view.step("bronze_0", "computed")
    watched.view.step("bronze_0", "committing")
    watched.view.moved("bronze_0", "sent", 2**20, 2**30)
    assert watched.screen()[-1] == "storing bronze_0 0.0 s sent 1.0 MB of 1.0 GB"


def test_what_the_plan_skips_or_reuses_is_done_from_the_start() -> None:
    (step,) = steps(1, "bronze")
    watched = Watched(("bronze", 1), ("gold", 1), bronze_0=skipped(step, "skipped, as asked"))
    watched.begin()
    screen = watched.screen()
    assert "1/2 steps" in screen[0]
    assert "○ bronze_0 skipped" in screen


def test_a_step_that_is_done_stays_so_when_its_result_is_computed_again_for_another() -> None:
    watched = Watched(("bronze", 1))
    watched.begin()
    watched.view.step("bronze_0", "computed", rows=1)
    watched.view.step("bronze_0", "reading")
    watched.view.step("elsewhere", "computing")
    assert "✓ bronze_0 computed 1 row" in watched.screen()


def test_a_long_pipeline_shows_only_what_goes_on_or_failed() -> None:
    watched = Watched(("bronze", 300), ("gold", 300))
    watched.begin()
    for i in range(100):
        watched.view.step(f"bronze_{i}", "computed", rows=1)
    watched.view.step("bronze_100", "failed")
    watched.view.step("bronze_101", "computing")
    screen = watched.screen(height=30)
    assert len(screen) == 5
    assert screen[1:] == ["bronze 101/300", "✗ bronze_100 failed", screen[3], "gold 0/300"]
    assert screen[3].endswith("bronze_101 computing 0.0 s")
