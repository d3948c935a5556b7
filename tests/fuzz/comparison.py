"""A run after each edit against what must come out, and at the end against a run from nothing.

What must come out is worked out by ``fuzz.world`` in plain Python: which steps a run computes (exactly these: one more
is needless work, one less a wrong hit), what the plan says of each before, and every step's data.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from direct_run import DirectRuns
from project_folder import ProjectFolder, Zygote

from fuzz.edits import Generator, earlier
from fuzz.world import Data, World

EDITS_PER_PIPELINE = 50


@dataclass
class Tally:
    """What was compared, and what was found wrong."""

    pipelines: int = 0
    edits: int = 0
    computed: int = 0
    reused: int = 0

    def __str__(self) -> str:
        return (
            f"{self.edits:,} edits of {self.pipelines:,} pipelines: {self.reused:,} results reused, "
            f"{self.computed:,} computed; no wrong hit, no needless step"
        )


@dataclass
class Comparison:
    """One pipeline and its edits.

    Attributes:
        again: The command that repeats it.
        full: Runs `oda` with Dagster: the run from nothing of even seeds, a run with reuse of odd ones. It takes as
            long as twenty runs without.
    """

    seed: int
    again: str
    folder: Path
    direct: DirectRuns
    full: Zygote
    kinds: list[str]
    weights: dict[str, int]
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.generator = Generator(self.seed, self.kinds)
        self.rng = self.generator.rng
        self.root = self.folder / "project"
        self.root.mkdir(parents=True)
        self.written: dict[str, str] = {}
        self.stored: set[object] = set()
        self.versions: dict[str, Data] = {}
        self.label = ""

    def run(self, edits: int) -> None:
        """Make a pipeline and edit it.

        Raises:
            AssertionError: Something came out that should not; with the seed, the edit, and how to run it again.
        """
        world = self.generator.world()
        history: list[World] = []
        self.tally.pipelines += 1
        with self._told("the first run"):
            self._check(world)
        for number in range(1, edits + 1):
            history.append(copy.deepcopy(world))
            if self.rng.random() < 0.12:
                world, what = earlier(history, self.rng), "back to an earlier state"
            else:
                what = self.generator.edit(world, self.weights)
            if self.rng.random() < 0.05:
                what += ", and the project moved"
                self.root = self.root.rename(self.folder / f"moved{number}")
            with self._told(f"edit {number}, {what}"):
                self._check(world, fully=self.seed % 2 == 1 and number == edits // 2)
                if what.startswith("back"):
                    self._check_shown(world)
            self.tally.edits += 1
        with self._told("the run from nothing at the end"):
            self._check_from_nothing(world)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        self.label = f"seed {self.seed}, {what}"
        try:
            yield
        except Exception as error:
            raise AssertionError(
                f"{self.label}: {error}\nTo run it again: {self.again}\nIts files: {self.root}"
            ) from error

    def _check(self, world: World, *, fully: bool = False) -> None:
        self._write(world)
        steps = {step["name"]: step for step in self._run(world, self.root, fully=fully)}
        expected = list(world.expected())
        assert list(steps) and set(steps) == {step.name for step, _, _ in expected}, f"the steps are {list(steps)}"
        hits: set[int] = set()
        wrong = []
        for step, state, data in expected:
            found = steps[step.name]
            due = "computed" if world.always_runs(step) or state not in self.stored else "cached"
            if found["outcome"] != due:
                kind = "a wrong hit" if due == "computed" else "needless work"
                wrong.append(
                    f"{step.name} ({step.kind}) is {found['outcome']}, expected {due}: {kind}; {found['reason']}"
                )
            planned = "unknown" if not hits.issuperset(step.inputs.values()) else "hit" if due == "cached" else "miss"
            if planned == "hit":
                hits.add(step.id)
            if found.get("planned") not in (None, planned):
                wrong.append(f"{step.name} is planned as {found['planned']}, expected {planned}; {found['reason']}")
            seen = self._seen(found)
            if seen != data:
                wrong.append(f"{step.name} ({step.kind}) has {seen}, expected {data}: wrong data")
            self.stored.add(state)
            self.tally.computed += found["outcome"] == "computed"
            self.tally.reused += found["outcome"] == "cached"
        assert not wrong, "; ".join(wrong)

    def _check_shown(self, world: World) -> None:
        """After going back, what is current is what it was."""
        step, _, data = self.rng.choice(list(world.expected()))
        answer = self.direct.show(self.root, self._env(world), step.name)
        assert answer.status == 0, answer.text
        assert _data(self.root / ".shown.parquet") == data, f"oda show gives another {step.name}"

    def _check_from_nothing(self, world: World) -> None:
        nothing = self.folder / "nothing"
        nothing.mkdir()
        for name, text in world.files.items():
            _write(nothing / name, text)
        versions = {step["name"]: step["version"] for step in self._run(world, nothing, fully=self.seed % 2 == 0)}
        reused = {step["name"]: step["version"] for step in self._run(world, self.root)}
        assert versions == reused, f"from nothing {versions}, with reuse {reused}"

    def _run(self, world: World, root: Path, *, fully: bool = False) -> list[dict[str, Any]]:
        if fully:
            project = ProjectFolder(root, self.full, dict(world.variables))
            answer = project.oda("run", "pipe.yaml", "--json")
        else:
            answer = self.direct.run(root, self._env(world))
        assert answer.status == 0, answer.text
        steps: list[dict[str, Any]] = answer.json["steps"]
        return steps

    def _env(self, world: World) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "DAGSTER_HOME": "dagster_home", **world.variables}

    def _write(self, world: World) -> None:
        """Write what changed; now and then with the time that the file had before, as `cp -p` gives it."""
        files = world.files
        for name in self.written.keys() - files.keys():
            (self.root / name).unlink()
        for name, text in files.items():
            if self.written.get(name) != text:
                path = self.root / name
                before = path.stat() if path.exists() and self.rng.random() < 0.3 else None
                _write(path, text)
                if before is not None:
                    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        if self.rng.random() < 0.1:
            os.utime(self.root / self.rng.choice(sorted(files)))
        self.written = files

    def _seen(self, found: dict[str, Any]) -> Data:
        """The data behind a step's version, read from the stored file itself."""
        version = found["version"]
        if version not in self.versions:
            key = found["key"].removeprefix("b3:")
            records = (self.root / ".oda/results" / key[:2] / key).iterdir()
            outputs = [output for record in records for output in json.loads(record.read_text())["outputs"].values()]
            blob = next(output["blobs"][0][0] for output in outputs if output["version"] == version)
            digest = blob.removeprefix("b3:")
            data = _data(self.root / ".oda/blobs" / digest[:2] / digest)
            assert data not in self.versions.values(), f"{found['name']} has a new version of data that have one"
            self.versions[version] = data
        return self.versions[version]


def _data(path: Path) -> Data:
    table = pq.ParquetFile(path).read()
    kinds = {"int64": "int", "double": "float", "string": "text", "large_string": "text"}
    return tuple(
        (name, kinds.get(str(column.type), str(column.type)), tuple(column.to_pylist()))
        for name, column in zip(table.column_names, table.columns, strict=True)
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def compare(
    seed: int,
    edits: int,
    test: str,
    folder: Path,
    direct: DirectRuns,
    full: Zygote,
    kinds: list[str],
    weights: dict[str, int],
) -> Tally:
    """Compare one pipeline through all its edits; prints its seed.

    Args:
        test: The file of the test, for the command that repeats it.
    """
    print(f"seed {seed}: {edits} edits", flush=True)
    file = Path(test).relative_to(Path(__file__).parents[2])
    again = f"ODA_FUZZ_SEED={seed} ODA_FUZZ_EDITS={edits} .venv/bin/python -m pytest {file} -s"
    comparison = Comparison(seed, again, folder / "work", direct, full, kinds, weights)
    comparison.run(edits)
    shutil.rmtree(folder / "work")
    return comparison.tally
