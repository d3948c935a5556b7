"""Random pipelines and random edits: a run with reuse against a run from nothing.

The generator knows which steps an edit reaches, so that needless work is caught as well as a
wrong hit. `ODA_FUZZ_EDITS` sets the number of edits, `ODA_FUZZ_SEED` the first seed; both are printed.
"""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from project_folder import ProjectFolder, Zygote

EDITS = int(os.environ.get("ODA_FUZZ_EDITS", "50"))
SEED = int(os.environ.get("ODA_FUZZ_SEED", "20261124"))
EDITS_PER_PIPELINE = 10


@dataclass
class Step:
    """One generated step: how it is written, and what it depends on."""

    name: str
    layer: str
    kind: str
    inputs: list[str]
    constant: int = 1
    param: int = 1
    depth: int = 0
    reads_file: bool = False
    reads_variable: bool = False


@dataclass
class World:
    """A generated project: its steps, its files, its variables, and the values that edits change."""

    steps: list[Step]
    cells: dict[str, int]
    offsets: dict[str, int] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    helpers: dict[str, int] = field(default_factory=dict)
    noise: int = 0

    def write(self, project: ProjectFolder) -> None:
        project.env = dict(self.variables)
        lines = ["name: fuzz", "steps:"]
        functions = ["import os, pathlib", "import helpers", f"# noise {self.noise}"]
        for step in self.steps:
            lines += self._yaml(step)
            functions += self._python(step)
        project.write("pipe.yaml", "\n".join(lines) + "\n")
        project.write("transforms.py", "\n".join(functions) + "\n")
        project.write("helpers.py", self._helpers())
        for name, cell in self.cells.items():
            project.write(f"data/{name}.csv", f"k,v\n1,{cell}\n2,5\n3,7\n")
        for name, offset in self.offsets.items():
            project.write(f"{name}.offset", str(offset))

    def _yaml(self, step: Step) -> list[str]:
        head = f"  - {{name: {step.name}, layer: {step.layer}, "
        if step.kind == "read":
            return [head + f"read: {{format: csv, path: data/{step.name}.csv}}}}"]
        inputs = f"inputs: [{', '.join(step.inputs)}], "
        if step.kind == "sql":
            source = step.inputs[0]
            joins = " ".join(f"join {name} using (k)" for name in step.inputs[1:])
            total = " + ".join(f"{name}.v" for name in step.inputs)
            return [
                head + inputs + f'sql: "select k, {total} + {step.constant} as v from {source} {joins} order by k"}}'
            ]
        return [head + inputs + f"python: 'transforms:{step.name}', params: {{p: {step.param}}}}}"]

    def _python(self, step: Step) -> list[str]:
        if step.kind != "python":
            return []
        extra = f"C_{step.name} + helpers.h_{step.name}_0(p)"
        if step.reads_file:
            extra += f" + int(pathlib.Path('{step.name}.offset').read_text())"
        if step.reads_variable:
            extra += f" + int(os.environ.get('V_{step.name.upper()}', '0'))"
        total = " + ".join(f"{name}['v']" for name in step.inputs)
        return [
            f"C_{step.name} = {step.constant}",
            f"def {step.name}({', '.join(step.inputs)}, *, p):",
            f"    # noise {self.noise}",
            f"    return {step.inputs[0]}.assign(v={total} + {extra})",
        ]

    def _helpers(self) -> str:
        lines = [f"UNREAD = {self.noise}"]
        for step in self.steps:
            for level in range(step.depth + 1):
                inner = f"h_{step.name}_{level + 1}(x)" if level < step.depth else "x"
                value = self.helpers.get(f"{step.name}_{level}", 0)
                lines += [f"def h_{step.name}_{level}(x):", f"    return {inner} + {value}"]
        return "\n".join(lines) + "\n"

    def below(self, names: set[str]) -> set[str]:
        """The steps named and all that depend on them."""
        found = set(names)
        for step in self.steps:
            if found & set(step.inputs):
                found.add(step.name)
        return found


def generate(rng: random.Random) -> World:
    steps: list[Step] = []
    for i in range(rng.randint(1, 2)):
        steps.append(Step(f"raw{i}", "bronze", "read", []))
    for i in range(rng.randint(3, 5)):
        layer = "silver" if i < 2 else "gold"
        inputs = rng.sample([step.name for step in steps], rng.randint(1, min(2, len(steps))))
        kind = rng.choice(["python", "python", "sql"])
        steps.append(
            Step(
                f"s{i}",
                layer,
                kind,
                inputs,
                depth=rng.randint(0, 3),
                reads_file=kind == "python" and rng.random() < 0.4,
                reads_variable=kind == "python" and rng.random() < 0.4,
            )
        )
    world = World(steps, {step.name: 1 for step in steps if step.kind == "read"})
    world.offsets = {step.name: 1 for step in steps if step.reads_file}
    return world


def mutate(world: World, rng: random.Random) -> tuple[str, set[str]]:
    """Change one thing; returns its description and the steps whose own key or trace it reaches."""
    python = [step for step in world.steps if step.kind == "python"]
    choices = ["cell", "noise", "sql"] + ["constant", "param", "helper"] * bool(python)
    choices += ["file"] * bool(world.offsets) + ["variable"] * any(step.reads_variable for step in python)
    choices += ["rewire"]
    what = rng.choice(choices)
    step = rng.choice(python) if python else world.steps[0]
    if what == "cell":
        name = rng.choice(list(world.cells))
        world.cells[name] += rng.randint(1, 9)
        return f"cell of {name}", {name}
    if what == "noise":
        world.noise += 1
        return "noise", set()
    if what == "sql":
        sql = [step for step in world.steps if step.kind == "sql"]
        if not sql:
            return "nothing", set()
        chosen = rng.choice(sql)
        chosen.constant += 1
        return f"SQL of {chosen.name}", {chosen.name}
    if what == "constant":
        step.constant += 1
    elif what == "param":
        step.param += 1
    elif what == "helper":
        level = rng.randint(0, step.depth)
        key = f"{step.name}_{level}"
        world.helpers[key] = world.helpers.get(key, 0) + 1
        return f"helper {key}", {step.name}
    elif what == "file":
        name = rng.choice(list(world.offsets))
        world.offsets[name] += 1
        return f"file of {name}", {name}
    elif what == "variable":
        chosen = rng.choice([step for step in python if step.reads_variable])
        name = f"V_{chosen.name.upper()}"
        world.variables[name] = str(int(world.variables.get(name, "0")) + 1)
        return f"variable of {chosen.name}", {chosen.name}
    elif what == "rewire":
        chosen = rng.choice([step for step in world.steps if step.inputs])
        earlier = [step.name for step in world.steps[: world.steps.index(chosen)]]
        before = list(chosen.inputs)
        chosen.inputs = rng.sample(earlier, rng.randint(1, min(2, len(earlier))))
        return f"inputs of {chosen.name}", {chosen.name} if chosen.inputs != before else set()
    return f"{what} of {step.name}", {step.name}


@pytest.mark.fuzz
@pytest.mark.parametrize("number", range(max(1, EDITS // EDITS_PER_PIPELINE)))
def test_a_run_with_reuse_gives_what_a_run_from_nothing_gives(number: int, tmp_path: Path, zygote: Zygote) -> None:
    seed = SEED + number
    print(f"seed {seed}")
    rng = random.Random(seed)
    world = generate(rng)
    reused = ProjectFolder(tmp_path / "reused", zygote)
    reused.root.mkdir()
    world.write(reused)
    reused.run()
    for i in range(EDITS_PER_PIPELINE):
        description, reached = mutate(world, rng)
        world.write(reused)
        with_reuse = {step["name"]: step for step in reused.run()["steps"]}
        computed = {name for name, step in with_reuse.items() if step["outcome"] == "computed"}
        label = f"seed {seed}, edit {i}: {description}"
        assert computed <= world.below(reached), f"{label}: needless work"
        nothing = ProjectFolder(tmp_path / "nothing", zygote)
        shutil.rmtree(nothing.root, ignore_errors=True)
        nothing.root.mkdir()
        world.write(nothing)
        from_nothing = {step["name"]: step["version"] for step in nothing.run()["steps"]}
        assert {name: step["version"] for name, step in with_reuse.items()} == from_nothing, label
        last = world.steps[-1].name
        assert reused.data(last) == nothing.data(last), f"{label}: step {last}"
