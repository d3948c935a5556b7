"""Random pipelines, and random edits of them."""

from __future__ import annotations

import copy
import itertools
import random

from fuzz.features import CODE, READING, Feature
from fuzz.world import LAYERS, Source, Step, World

PARAMS = ("1", "2", "3", "1.0", "'1'", "'2'", "{{ params.base }}")
_FEATURES_OF_A_PIPELINE = 7


class Generator:
    """Random pipelines whose names never repeat.

    Args:
        kinds: The ways in which the code of its steps comes to a number. They are taken in turn, the first after the
            seed, so that a few pipelines with seeds in a row have all of them.
    """

    def __init__(self, seed: int, kinds: list[str]) -> None:
        self.rng = random.Random(seed)
        start = seed * _FEATURES_OF_A_PIPELINE % len(kinds)
        self.kinds = itertools.cycle([*kinds[start:], *kinds[:start]])
        self.last = 0

    def number(self) -> int:
        self.last += 1
        return self.last

    def world(self) -> World:
        world = World([], {}, {})
        for _ in range(self.rng.randint(1, 2)):
            self.add_source(world)
        if self.rng.random() < 0.1:
            self._add(world, "made", {})
        for _ in range(self.rng.randint(4, 6)):
            self.add_step(world)
        return world

    def add_source(self, world: World) -> Step:
        rows = [(k, self.rng.randint(1, 9), self.rng.choice("xyz")) for k in range(1, self.rng.randint(3, 6))]
        step = self._add(world, "read", {})
        world.sources[step.id] = Source([*rows, (99, 1, "z")], ["k", "v", "s"])
        return step

    def add_step(self, world: World) -> Step:
        return self._add(world, self.rng.choice(["python", "python", "python", "sql"]), self.inputs(world.steps))

    def inputs(self, above: list[Step]) -> dict[str, int]:
        chosen = self.rng.sample(above, min(len(above), self.rng.randint(1, 2)))
        return {name: step.id for name, step in zip(("left", "right"), chosen, strict=False)}

    def feature(self, world: World) -> str:
        """A new feature, or one that another step has."""
        if world.features and self.rng.random() < 0.25:
            return self.rng.choice(sorted(world.features))
        feature = Feature(f"f{self.number()}", next(self.kinds), *self.rng.choices(range(1, 9), k=2))
        world.features[feature.name] = feature
        return feature.name

    def _add(self, world: World, kind: str, inputs: dict[str, int]) -> Step:
        number = self.number()
        has_code = kind in ("python", "made")
        layers = [step.layer for step in world.steps if step.id in inputs.values()]
        first = max((LAYERS.index(layer) for layer in layers), default=0)
        step = Step(
            number,
            f"s{number}",
            self.rng.choice(LAYERS[first:]) if inputs else LAYERS[0],
            kind,
            f"step_{number}",
            inputs,
            list(dict.fromkeys(self.feature(world) for _ in range(self.rng.randint(1, 3)))) if has_code else [],
            self.rng.choice(PARAMS) if has_code else "1",
            constant=self.rng.randint(1, 9),
            is_clipped=has_code and self.rng.random() < 0.3,
        )
        world.steps.append(step)
        return step

    # Edits.

    def edit(self, world: World, weights: dict[str, int]) -> str:
        """Change one thing; returns what."""
        while True:
            what = self.rng.choices(list(weights), list(weights.values()))[0]
            done = getattr(self, f"_edit_{what}")(world)
            if done is not None:
                return str(done)

    def _with_code(self, world: World) -> Step | None:
        found = [step for step in world.steps if step.kind in ("python", "made")]
        return self.rng.choice(found) if found else None

    def _below(self, world: World) -> Step:
        return self.rng.choice([step for step in world.steps if step.kind in ("python", "sql")])

    def _edit_feature(self, world: World) -> str | None:
        used = sorted({name for step in world.steps for name in step.features})
        if not used:
            return None
        feature = world.features[self.rng.choice(used)]
        which = self.rng.choice("ab")
        setattr(feature, which, self.rng.choice([n for n in range(1, 13) if n != getattr(feature, which)]))
        return f"{which} of {feature.name} ({feature.kind})"

    def _edit_features(self, world: World) -> str | None:
        """Which features a step has."""
        step = self._with_code(world)
        if step is None:
            return None
        if len(step.features) > 1 and self.rng.random() < 0.5:
            gone = step.features.pop(self.rng.randrange(len(step.features)))
            return f"{step.name} without {gone}"
        new = self.feature(world)
        if new in step.features:
            return None
        step.features.append(new)
        return f"{step.name} with {new} ({world.features[new].kind})"

    def _edit_effect(self, world: World) -> str:
        world.effect = self.rng.choice([n for n in range(4) if n != world.effect])
        return f"a top-level statement, {world.effect}"

    def _edit_constant(self, world: World) -> str:
        step = self._below(world)
        name = self.rng.choice(["factor", "constant", "minimum"])
        setattr(step, name, self.rng.choice([n for n in range(1, 6) if n != getattr(step, name)]))
        return f"{name} of {step.name} ({step.kind})"

    def _edit_param(self, world: World) -> str | None:
        step = self._with_code(world)
        if step is None:
            return None
        step.param = self.rng.choice([param for param in PARAMS if param != step.param])
        return f"param of {step.name}, {step.param}"

    def _edit_base(self, world: World) -> str:
        world.base = self.rng.choice([base for base in ("1", "2", "3", "2.0", "'2'") if base != world.base])
        return f"param of the pipeline, {world.base}"

    def _edit_cell(self, world: World) -> str:
        step, source = self._source(world)
        row = self.rng.randrange(len(source.rows))
        k, v, s = source.rows[row]
        source.rows[row] = (k, v + self.rng.choice([-1, 1]), s) if self.rng.random() < 0.7 else (k, v, s + "q")
        return f"a cell of {step.name}"

    def _edit_rows(self, world: World) -> str:
        step, source = self._source(world)
        if len(source.rows) > 2 and self.rng.random() < 0.5:
            source.rows.pop(self.rng.randrange(len(source.rows) - 1))
            return f"a row of {step.name} removed"
        k = next(k for k in range(1, 99) if k not in {row[0] for row in source.rows})
        source.rows.insert(self.rng.randrange(len(source.rows)), (k, self.rng.randint(1, 9), "n"))
        return f"a row of {step.name} added"

    def _edit_order(self, world: World) -> str:
        step, source = self._source(world)
        self.rng.shuffle(source.order)
        return f"columns of {step.name}: {source.order}"

    def _edit_types(self, world: World) -> str:
        step, source = self._source(world)
        source.is_float = not source.is_float
        return f"type of v of {step.name}: float {source.is_float}"

    def _edit_quotes(self, world: World) -> str:
        step, source = self._source(world)
        source.is_quoted = not source.is_quoted
        return f"quotes in {step.name}"

    def _source(self, world: World) -> tuple[Step, Source]:
        step = self.rng.choice([step for step in world.steps if step.kind == "read"])
        return step, world.sources[step.id]

    def _edit_rewire(self, world: World) -> str:
        step = self._below(world)
        above = world.steps[: world.steps.index(step)]
        step.inputs = self.inputs([other for other in above if LAYERS.index(other.layer) <= LAYERS.index(step.layer)])
        return f"inputs of {step.name}: {step.inputs}"

    def _edit_swap(self, world: World) -> str | None:
        pairs = [step for step in world.steps if len(step.inputs) == 2]
        if not pairs:
            return None
        step = self.rng.choice(pairs)
        step.inputs = {"left": step.inputs["right"], "right": step.inputs["left"]}
        return f"inputs of {step.name} swapped"

    def _edit_add(self, world: World) -> str | None:
        if len(world.steps) > 10:
            return None
        step = self.add_source(world) if self.rng.random() < 0.2 else self.add_step(world)
        return f"step {step.name} ({step.kind}) added"

    def _edit_remove(self, world: World) -> str | None:
        needed = {above for step in world.steps for above in step.inputs.values()}
        free = [step for step in world.steps if step.kind in ("python", "sql") and step.id not in needed]
        if len(world.steps) < 5 or not free:
            return None
        step = self.rng.choice(free)
        world.steps.remove(step)
        return f"step {step.name} removed"

    def _edit_rename(self, world: World) -> str:
        step = self.rng.choice(world.steps)
        before, step.name = step.name, f"s{self.number()}"
        return f"step {before} renamed {step.name}"

    def _edit_layer(self, world: World) -> str | None:
        step = self._below(world)
        layers = {other.id: LAYERS.index(other.layer) for other in world.steps}
        first = max(layers[above] for above in step.inputs.values())
        last = min((layers[other.id] for other in world.steps if step.id in other.inputs.values()), default=2)
        free = [layer for layer in LAYERS[first : last + 1] if layer != step.layer]
        if not free:
            return None
        step.layer = self.rng.choice(free)
        return f"step {step.name} moved to {step.layer}"

    def _edit_noise(self, world: World) -> str:
        name = self.rng.choice(sorted(vars(world.noise)))
        setattr(world.noise, name, getattr(world.noise, name) + 1)
        return f"noise: {name}"


OF_THE_CODE = {"feature": 12, "features": 2, "effect": 1, "constant": 2, "param": 1, "noise": 5, "rewire": 1}
OF_THE_REST = {
    "feature": 3, "constant": 2, "param": 3, "base": 1, "cell": 3, "rows": 2, "order": 1, "types": 1, "quotes": 1,
    "rewire": 2, "swap": 2, "add": 2, "remove": 2, "rename": 1, "layer": 1, "noise": 4, "features": 1,
}  # fmt: skip
KINDS_OF_THE_CODE = CODE
KINDS_OF_THE_REST = [*READING, *READING, *CODE[:6]]


def earlier(history: list[World], rng: random.Random) -> World:
    """A state that the project was in before."""
    return copy.deepcopy(rng.choice(history))
