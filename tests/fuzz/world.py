"""A generated project: how it is written, and what a run of it must give, worked out in plain Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from fuzz.features import STEPS, Feature

LAYERS = ("bronze", "silver", "gold")
Column = tuple[str, str, tuple[object, ...]]
Data = tuple[Column, ...]
"""Columns in order: name, kind (``int``, ``float``, ``text``), values."""


@dataclass
class Source:
    """A CSV file and the step that reads it.

    Attributes:
        order: The columns as they stand in the file.
        is_float: ``v`` is written with a point.
        is_quoted: The texts are in quotes, which changes the bytes and no value.
    """

    rows: list[tuple[int, int, str]]
    order: list[str]
    is_float: bool = False
    is_quoted: bool = False

    @property
    def text(self) -> str:
        quote = '"' if self.is_quoted else ""
        lines = [",".join(self.order)]
        for k, v, s in self.rows:
            values = {"k": str(k), "v": f"{v}.0" if self.is_float else str(v), "s": f"{quote}{s}{quote}"}
            lines.append(",".join(values[column] for column in self.order))
        return "\n".join(lines) + "\n"

    @property
    def data(self) -> Data:
        kinds = {"k": "int", "v": "float" if self.is_float else "int", "s": "text"}
        values = {
            "k": tuple(k for k, _, _ in self.rows),
            "v": tuple(float(v) if self.is_float else v for _, v, _ in self.rows),
            "s": tuple(s for _, _, s in self.rows),
        }
        return tuple((column, kinds[column], values[column]) for column in self.order)


@dataclass
class Step:
    """One step.

    Attributes:
        kind: ``read``, ``sql``, ``python``, or ``made``: Python without inputs.
        function: The Python function, whose name stays when the step is renamed.
        inputs: Parameter (``left``, perhaps ``right``) → id of the step that it takes.
        param: The param ``p`` as YAML; ``{{ params.base }}`` is the pipeline's.
        minimum: Rows whose ``k`` is above it are kept.
        is_clipped: Only the remainder of what the features give counts, so that many edits change no value.
    """

    id: int
    name: str
    layer: str
    kind: str
    function: str
    inputs: dict[str, int] = field(default_factory=dict)
    features: list[str] = field(default_factory=list)
    param: str = "1"
    factor: int = 1
    constant: int = 1
    minimum: int = 0
    is_clipped: bool = False


@dataclass
class Noise:
    """What can change without changing any result."""

    comment: int = 0
    docstring: int = 0
    formatting: int = 0
    unrelated: int = 0
    yaml: int = 0
    sql: int = 0
    policies: int = 0


@dataclass
class World:
    """A generated project.

    Attributes:
        effect: A number in a top-level statement, which counts for every Python step.
        base: The pipeline's param.
    """

    steps: list[Step]
    sources: dict[int, Source]
    features: dict[str, Feature]
    base: str = "2"
    effect: int = 0
    noise: Noise = field(default_factory=Noise)

    # What a run must give.

    def param(self, step: Step) -> str:
        return self.base if step.param == "{{ params.base }}" else step.param

    def expected(self) -> Iterator[tuple[Step, object, Data]]:
        """Each step in order, with the state that its result depends on, and its data."""
        found: dict[int, Data] = {}
        for step in self.steps:
            inputs = {name: found[above] for name, above in step.inputs.items()}
            found[step.id] = self._data(step, inputs)
            yield step, self._state(step, inputs), found[step.id]

    def always_runs(self, step: Step) -> bool:
        """Has it neither inputs nor declared files?"""
        return step.kind == "made" and not any(self._declared(name, "declared file") for name in step.features)

    def _state(self, step: Step, inputs: dict[str, Data]) -> object:
        if step.kind == "read":
            return ("read", step.name, self.sources[step.id].text)
        own = (step.kind, step.name, step.factor, step.constant, step.minimum, tuple(sorted(inputs.items())))
        if step.kind == "sql":
            return own
        features = tuple(self.features[name].state for name in step.features)
        return (*own, step.function, step.is_clipped, self.param(step), features, self.effect)

    def _extra(self, step: Step) -> int:
        p = int(float(self.param(step).strip("'")))
        extra = sum(self.features[name].value(p) for name in step.features)
        return extra % 3 if step.is_clipped else extra

    def _data(self, step: Step, inputs: dict[str, Data]) -> Data:
        if step.kind == "read":
            return self.sources[step.id].data
        if step.kind == "made":
            return (("k", "int", (1, 99)), ("v", "int", (self._extra(step), step.constant)), ("s", "text", ("a", "b")))
        left = {name: (kind, values) for name, kind, values in inputs["left"]}
        right = {name: (kind, values) for name, kind, values in inputs.get("right", ())}
        kept = [i for i, k in enumerate(left["k"][1]) if k > step.minimum]
        if step.kind == "sql" and right:
            kept = [i for i in kept if left["k"][1][i] in right["k"][1]]
        kept.sort(key=lambda i: left["k"][1][i] if step.kind == "sql" else i)
        v = []
        for i in kept:
            value = left["v"][1][i] * step.factor
            if right and step.kind == "sql":
                value += right["v"][1][right["k"][1].index(left["k"][1][i])]
            elif right:
                value += sum(right["v"][1])
            v.append(value + step.constant + (self._extra(step) if step.kind == "python" else 0))
        kind = "float" if "float" in (left["v"][0], right["v"][0] if right else "") else "int"
        columns = {
            "k": ("int", tuple(left["k"][1][i] for i in kept)),
            "v": (kind, tuple(map(float, v)) if kind == "float" else tuple(v)),
            "s": ("text", tuple(left["s"][1][i] for i in kept)),
        }
        order = ["k", "s", "v"] if step.kind == "sql" else list(left)
        return tuple((name, *columns[name]) for name in order)

    # How it is written.

    @property
    def files(self) -> dict[str, str]:
        """Path → text of everything that the project consists of."""
        found = {"pipe.yaml": self._yaml(), **self._modules()}
        for step in self.steps:
            if step.kind == "read":
                found[f"data/{step.id}.csv"] = self.sources[step.id].text
            for name in step.features:
                found |= self.features[name].files
        return found

    @property
    def variables(self) -> dict[str, str]:
        used = {name for step in self.steps for name in step.features}
        return {key: value for name in sorted(used) for key, value in self.features[name].variables.items()}

    def _yaml(self) -> str:
        noise = self.noise
        lines = ["name: fuzz", f"params: {{base: {self.base}}}"]
        lines += [f"description: text {noise.policies}"] if noise.policies else []
        lines += [f"retry: {{max_retries: {noise.policies % 3}}}"] if noise.policies else []
        lines += [f"checkpoint: {{mode: {'layer' if noise.policies % 2 else 'auto'}}}"]
        lines += [f"# noise {noise.yaml}", "steps:"]
        names = {step.id: step.name for step in self.steps}
        for step in self.steps:
            fields = {"name": step.name, "layer": step.layer, **self._transform(step, names)}
            if noise.yaml % 2:
                fields = dict(reversed(fields.items()))
            lines.append("  - {" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}")
        return "\n".join(lines) + "\n"

    def _transform(self, step: Step, names: dict[int, str]) -> dict[str, str]:
        if step.kind == "read":
            return {"read": f"{{format: csv, path: data/{step.id}.csv}}"}
        inputs = {"inputs": "{" + ", ".join(f"{name}: {names[above]}" for name, above in step.inputs.items()) + "}"}
        if step.kind == "sql":
            return {**inputs, "sql": f'"{self._sql(step)}"'}
        found = {"python": f"'transforms:{step.function}'", "params": f"{{p: {_quoted(step.param)}}}"}
        declared = [path for name in step.features for path in self._declared(name, "declared file")]
        variables = [variable for name in step.features for variable in self._declared(name, "declared variable")]
        found |= {"files": f"[{', '.join(declared)}]"} if declared else {}
        found |= {"env": f"[{', '.join(variables)}]"} if variables else {}
        return {**inputs, **found} if step.inputs else found

    def _declared(self, name: str, kind: str) -> list[str]:
        feature = self.features[name]
        return [*feature.files, *feature.variables] if feature.kind == f"a {kind}" else []

    def _sql(self, step: Step) -> str:
        blank = " " * (1 + self.noise.sql % 3)
        comment = f"/* noise {self.noise.sql} */{blank}" if self.noise.sql else ""
        right = "right" in step.inputs
        total = f"l.v *{blank}{step.factor}" + (" + r.v" if right else "") + f" + {step.constant}"
        source = '\\"left\\" l' + (' join \\"right\\" r on l.k = r.k' if right else "")
        return f"{comment}select l.k, l.s,{blank}{total} as v from {source} where l.k > {step.minimum} order by l.k"

    def _modules(self) -> dict[str, str]:
        modules: dict[str, list[str]] = {"helpers/__init__.py": [], "helpers/deep/__init__.py": []}
        modules[STEPS] = ["import os\nimport pathlib\n\nimport effects\nimport pandas as pd\n"]
        modules["effects.py"] = ["FOUND = []\n" + (f"FOUND.append({self.effect})\n" if self.effect else "")]
        used = dict.fromkeys(name for step in self.steps for name in step.features)
        for name in used:
            for module, text in self.features[name].pieces.items():
                pieces = modules.setdefault(module, [])
                if text not in pieces:
                    pieces.append(text)
        modules[STEPS] += [self._function(step) for step in self.steps if step.kind in ("python", "made")]
        if self.noise.unrelated:
            for module, pieces in modules.items():
                if module != "effects.py":
                    number = self.noise.unrelated
                    pieces.append(f"UNREAD = {number}\n\n\ndef unrelated():\n    return UNREAD + {number}\n")
        return {module: self._noisy("\n\n".join(pieces)) for module, pieces in modules.items()}

    def _function(self, step: Step) -> str:
        calls = " + ".join(f"({self.features[name].call})" for name in step.features) or "0"
        extra = f"({calls}) % 3" if step.is_clipped else calls
        head = f"def {step.function}({', '.join([*step.inputs, '*', 'p'])}):\n    p = int(p)\n    extra = {extra}\n"
        if step.kind == "made":
            frame = f"{{'k': [1, 99], 'v': [extra, {step.constant}], 's': ['a', 'b']}}"
            return f"{head}    # minimum {step.minimum}\n    return pd.DataFrame({frame})\n"
        more = " + right['v'].sum()" if "right" in step.inputs else ""
        return (
            f"{head}    kept = left[left['k'] > {step.minimum}].reset_index(drop=True)\n"
            f"    return kept.assign(v=kept['v'] * {step.factor}{more} + ({step.constant} + extra))\n"
        )

    def _noisy(self, text: str) -> str:
        noise = self.noise
        if noise.docstring:
            text = re.sub(r"^( *)(def .*:)$", rf'\1\2\n\1    """Noise {noise.docstring}."""\n', text, flags=re.M)
        if noise.formatting % 2:
            text = re.sub(r"^( *return )(.*)$", r"\1(\2)", text, flags=re.M).replace(" + ", "  +  ")
        return f"# noise {noise.comment}\n{text}" if noise.comment else text


def _quoted(param: str) -> str:
    return f'"{param}"' if param.startswith("{{") else param
