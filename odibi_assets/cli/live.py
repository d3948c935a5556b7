"""What a terminal shows while a run goes on: a tree of steps by layer, a bar, the time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from odibi_assets.decide.plan import Plan
from odibi_assets.execute.progress import Progress
from odibi_assets.identify.identity import PipelineIdentity
from odibi_assets.keep.results import readable_size

_DONE = frozenset({"computed", "cached", "failed", "skipped", "absent", "waiting"})
_PHASES = frozenset({"reading", "computing"})
_ACTIVE = _PHASES | {"running", "retrying"}
_STYLES = {"computed": "green", "cached": "cyan", "failed": "red", "skipped": "dim", "absent": "dim", "waits": "dim"}
_MARKS = {"computed": "✓", "cached": "✓", "failed": "✗", "skipped": "○", "absent": "○", "waiting": "◷"}
_LONGEST_STATE = 60
_LINES_BESIDE = 6  # The head, what is being stored, and room for the prompt.


@dataclass
class _Row:
    """One step on the screen.

    Attributes:
        began: When it was first seen running, on the view's clock.
    """

    state: str = "waits"
    began: float | None = None
    seconds: float | None = None
    rows: int | None = None
    why: str = ""


@dataclass
class LiveRun(Progress):
    """The state of a run, which renders itself.

    Attributes:
        now: The clock, in seconds.
    """

    pipeline: PipelineIdentity
    now: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._earlier_s: Mapping[str, float] = {}
        self._workers = 1
        self._storing: dict[str, float] = {}
        self._moved: dict[str, str] = {}
        self._began = self.now()
        self._spinner = Spinner("dots")
        self._lock = threading.Lock()

    def planned(self, plan: Plan, steps: tuple[str, ...], *, earlier_s: Mapping[str, float], workers: int) -> None:
        with self._lock:
            self._earlier_s, self._workers = earlier_s, workers
            for name, decision in plan.decisions.items():
                row = _Row()
                if name not in steps:
                    row.state = "skipped" if decision.action == "skipped" else "cached"
                    row.rows = decision.result.reference.row_count if decision.result is not None else None
                self._rows[name] = row

    def step(self, name: str, what: str, *, rows: int | None = None, why: str = "") -> None:
        with self._lock:
            if what == "committing":
                self._storing[name] = self.now()
            elif what == "committed":
                self._storing.pop(name, None)
                self._moved.pop(name, None)
            elif name in self._rows and not (what in _PHASES and self._rows[name].state in _DONE):
                self._moved.pop(name, None)
                self._rows[name].why = why
                self._move(self._rows[name], what, rows)

    def moved(self, name: str, how: str, done_bytes: int, total_bytes: int) -> None:
        with self._lock:
            self._moved[name] = f"{how} {readable_size(done_bytes)} of {readable_size(total_bytes)}"

    def _move(self, row: _Row, state: str, rows: int | None) -> None:
        row.state, row.rows = state, rows
        if state in _ACTIVE and row.began is None:
            row.began = self.now()
        elif state in _DONE and row.began is not None:
            row.seconds = self.now() - row.began

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            yield Group(self._head(), *self._tree(console.height), *self._foot())

    def _head(self) -> Table:
        done = sum(row.state in _DONE for row in self._rows.values())
        words = [f"{done}/{len(self._rows)} steps", _seconds(self.now() - self._began)]
        left = time_left_s(self._durations(), self._earlier_s, workers=self._workers)
        if not self._rows:
            words = ["looking at what changed", words[1]]
        elif left is not None:
            words.append(f"about {_seconds(left)} left")
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=len(self._rows) or 1, completed=done, width=24)
        head.add_row(Text(self.pipeline.name, "bold"), bar, Text(", ".join(words)))
        return head

    def _durations(self) -> dict[str, float]:
        """Step that is not done → seconds that it has been running."""
        now = self.now()
        undone = {name: row for name, row in self._rows.items() if row.state not in _DONE}
        return {name: now - row.began if row.began is not None else 0.0 for name, row in undone.items()}

    def _tree(self, height: int) -> Iterable[Table]:
        grid = Table.grid(padding=(0, 1))
        grid.add_column()
        grid.add_column()
        grid.add_column()
        grid.add_column(justify="right")
        grid.add_column(justify="right")
        layers = {layer: self._of_layer(layer) for layer in self.pipeline.layers}
        layers = {layer: names for layer, names in layers.items() if names}
        is_short = len(self._rows) + len(layers) + _LINES_BESIDE > height
        for layer, names in layers.items():
            done = sum(self._rows[name].state in _DONE for name in names)
            grid.add_row("", Text(layer, "bold"), Text(f"{done}/{len(names)}", "dim"), "", "")
            for name in names:
                row = self._rows[name]
                if not is_short or row.state in _ACTIVE or row.state == "failed":
                    self._add(grid, name, row)
        yield grid

    def _of_layer(self, layer: str) -> list[str]:
        return [step.name for step in self.pipeline.steps if step.layer == layer and step.name in self._rows]

    def _add(self, grid: Table, name: str, row: _Row) -> None:
        style = _STYLES.get(row.state, "yellow")
        seconds = row.seconds
        if row.state in _ACTIVE and row.began is not None:
            seconds = self.now() - row.began
        mark = self._spinner.render(self.now()) if row.state in _ACTIVE else Text(_MARKS.get(row.state, "·"), style)
        grid.add_row(
            mark,
            Text(f"  {name}"),
            Text(self._state(name, row), style),
            Text("" if row.rows is None else f"{row.rows:,} row{'' if row.rows == 1 else 's'}", "dim"),
            Text("" if seconds is None else _seconds(seconds), "dim"),
        )

    def _state(self, name: str, row: _Row) -> str:
        if row.why:
            text = f"{row.state}, {row.why}"
            return text if len(text) <= _LONGEST_STATE else text[: _LONGEST_STATE - 1] + "…"
        return self._moved.get(name, row.state) if row.state == "reading" else row.state

    def _foot(self) -> Iterable[Text]:
        if self._storing:
            now = self.now()
            longest = [
                " ".join(filter(None, [name, _seconds(now - since), self._moved.get(name)]))
                for name, since in list(self._storing.items())[:4]
            ]
            yield Text(f"storing {', '.join(longest)}", "dim")


def time_left_s(running_s: Mapping[str, float], earlier_s: Mapping[str, float], *, workers: int) -> float | None:
    """Seconds until a run ends, by what its steps took earlier; None where no step has a past.

    A step without a past counts as the mean of those that have one.

    Args:
        running_s: Step that is not done → seconds that it has been running (0 before it begins).

    >>> time_left_s({"a": 1.0, "b": 0.0}, {"a": 4.0, "b": 2.0}, workers=1)
    5.0
    >>> time_left_s({"a": 9.0, "new": 0.0}, {"a": 4.0}, workers=2)
    2.0
    >>> time_left_s({"new": 0.0}, {}, workers=1) is None
    True
    """
    known = [earlier_s[name] for name in running_s if name in earlier_s]
    if not known:
        return None
    usual = sum(known) / len(known)
    left = sum(max(0.0, earlier_s.get(name, usual) - so_far) for name, so_far in running_s.items())
    return left / min(workers, len(running_s))


def _seconds(seconds: float) -> str:
    """
    >>> _seconds(3.21), _seconds(75), _seconds(7300)
    ('3.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
