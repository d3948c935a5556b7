"""A definition is a pipeline as it was read: the model where it holds, every mistake where it does not."""

from __future__ import annotations

import fnmatch
import graphlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from odibi_assets.declare.input import Input
from odibi_assets.declare.mistake import DefinitionError, Mistake, nearest, shown
from odibi_assets.declare.overrides import Overrides
from odibi_assets.declare.pipeline import DEFAULT_LAYERS, Pipeline
from odibi_assets.declare.step import Step
from odibi_assets.declare.template import BadTemplate, env_names, fill_params
from odibi_assets.declare.yaml_source import Place, YamlSource, dotted

COMPONENT_TYPE = "odibi_assets.MedallionPipeline"

# Fields of the design that this version does not act on: refused, since a field that is
# accepted and ignored is a promise broken in silence.
NOT_BUILT_PIPELINE = frozenset("timeout run_timeout resume rollback preset partitions watch automation alerts".split())
NOT_BUILT_STEP = frozenset(
    "expect timeout preview columns optional when rollback critical checkpoint partitions".split()
)
NOT_BUILT = "a field that this version acts on (this one is not built yet)"
NOT_BUILT_NESTED = frozenset(
    {("retry", "on"), ("retry", "params"), ("retry", "on_timeout"), ("checkpoint", "seconds"), ("read", "url")}
)
NOT_BUILT_VALUES = frozenset({("engine", "spark"), ("format", "skops")})
NOT_BUILT_CHECKPOINT_MODES = frozenset({"interval", "manual"})


@dataclass
class Definition:
    """What was read from one YAML file, or declared by one Python object.

    Attributes:
        file: How messages name the file.
        source: The parsed file; None for a pipeline declared in Python.
        folder: The folder of the file: on the import path, and first in the search for SQL files.
        steps: The steps that are right by themselves, by their place.
        mistakes: All that was found so far; other rooms add theirs.
        names: Every step's name, also of those with mistakes.
        pipeline: The whole, if nothing was wrong.
        data: What was declared, templates unfilled.
    """

    file: str
    folder: Path
    source: YamlSource | None = None
    steps: dict[Place, Step] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    names: frozenset[str] = frozenset()
    pipeline: Pipeline | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def mistake(self, place: Place, found: object, expected: str, nearest: str | None = None) -> None:
        """Note one more mistake at a place in the file."""
        line = self.source.line(place) if self.source else None
        self.mistakes.append(Mistake(self.file, line, dotted(place), shown(found), expected, nearest))

    def knows_inputs_of(self, step: Step) -> bool:
        """Are all its inputs steps? Where one is not, that is the mistake, and no other need be told of it."""
        return {taken.step for taken in step.bindings.values()} <= self.names

    def checked(self) -> Pipeline:
        """The pipeline.

        Raises:
            DefinitionError: There are mistakes.
        """
        if self.mistakes or self.pipeline is None:
            raise DefinitionError(self.mistakes)
        return self.pipeline


def define(source: YamlSource, folder: Path, overrides: Overrides | None = None) -> Definition:
    """Read a pipeline from parsed YAML, noting every mistake that the file alone shows."""
    definition = Definition(source.file, folder, source, mistakes=list(source.mistakes))
    prefix: Place = ()
    data = source.data
    if isinstance(data, Mapping) and ("type" in data or "attributes" in data):
        _check_wrapper(definition, data)
        data, prefix = data.get("attributes"), ("attributes",)
    if not isinstance(data, Mapping):
        definition.mistake(prefix, "nothing" if data is None else data, "a mapping with name and steps")
        return definition
    definition.data = data
    return _Reading(definition, dict(data), prefix, overrides or Overrides()).read()


def _check_wrapper(definition: Definition, data: Mapping[str, Any]) -> None:
    if data.get("type") != COMPONENT_TYPE:
        definition.mistake(("type",), data.get("type"), f"type: {COMPONENT_TYPE}", nearest=COMPONENT_TYPE)
    for key in data:
        if key not in ("type", "attributes", "requirements", "template_vars_module", "post_processing"):
            definition.mistake((key,), key, "type and attributes", nearest(key, ["type", "attributes"]))


class _Reading:
    """One pass over the data of a pipeline; each method checks one thing and notes what is wrong."""

    def __init__(self, definition: Definition, data: dict[str, Any], prefix: Place, overrides: Overrides) -> None:
        self.definition, self.data, self.prefix, self.overrides = definition, data, prefix, overrides
        self.layers: Sequence[str] = DEFAULT_LAYERS
        self.raw_steps: list[tuple[Place, dict[str, Any]]] = []

    def read(self) -> Definition:
        pipeline_data = self._pipeline_data()
        self._collect_steps()
        self._apply_step_overrides()
        self._check_names()
        for place, raw in self.raw_steps:
            self._check_step(place, raw)
        self._check_written_paths()
        self._check_references()
        if not self.definition.mistakes:
            steps = tuple(self.definition.steps[place] for place, _ in self.raw_steps)
            self.definition.pipeline = Pipeline(**pipeline_data, steps=steps)
        return self.definition

    def _pipeline_data(self) -> dict[str, Any]:
        data = {key: value for key, value in self.data.items() if key != "steps"}
        if self.overrides.on_error is not None:
            data["on_error"] = self.overrides.on_error
        self._refuse_not_built(data, self.prefix, NOT_BUILT_PIPELINE, self._not_built_checkpoint(data))
        if isinstance(data.get("params", {}), Mapping):
            params = dict(data.get("params", {}))
            for name, value in self.overrides.params.items():
                if name not in params:
                    self.definition.mistake(
                        (*self.prefix, "params"),
                        f"--set {name}={value}",
                        f"a parameter of the pipeline ({_names(params)})",
                        nearest(name, params),
                    )
                params[name] = value
            if params:
                data["params"] = params
        declared = data.get("params")
        for key in list(data):
            if key != "params":
                data[key] = self._filled(
                    data[key], (*self.prefix, key), declared if isinstance(declared, Mapping) else {}
                )
        # A placeholder stands for the steps, which are checked one by one with places of their own.
        placeholder = Step(name="placeholder", layer="placeholder", sql="select 1")
        self._validate(Pipeline, {**data, "steps": (placeholder,)}, self.prefix)
        layers = data.get("layers")
        if isinstance(layers, list) and layers and all(isinstance(layer, str) for layer in layers):
            self.layers = layers
            for i, layer in enumerate(layers):
                if layer in layers[:i]:
                    self.definition.mistake((*self.prefix, "layers", i), layer, "each layer once")
        return data

    def _not_built_checkpoint(self, data: Mapping[str, Any]) -> list[Place]:
        checkpoint = data.get("checkpoint")
        if isinstance(checkpoint, Mapping) and checkpoint.get("mode") in NOT_BUILT_CHECKPOINT_MODES:
            self.definition.mistake(
                (*self.prefix, "checkpoint", "mode"), checkpoint["mode"], "auto or layer (this mode is not built yet)"
            )
            return [("checkpoint",)]
        return []

    def _collect_steps(self) -> None:
        steps = self.data.get("steps")
        place = (*self.prefix, "steps")
        if not isinstance(steps, list) or not steps:
            self.definition.mistake(place, "nothing" if steps is None else steps, "a list of steps")
            return
        for i, raw in enumerate(steps):
            if isinstance(raw, Mapping):
                self.raw_steps.append(((*place, i), dict(raw)))
            else:
                self.definition.mistake(
                    (*place, i), raw, "a mapping with name, layer and one of read, sql, python, command"
                )

    def _apply_step_overrides(self) -> None:
        by_name = {raw.get("name"): (place, raw) for place, raw in self.raw_steps if isinstance(raw.get("name"), str)}
        for name, params in self.overrides.steps.items():
            if name not in by_name:
                self.definition.mistake(
                    (*self.prefix, "steps"),
                    f"--set {name}.…",
                    f"a step of the pipeline ({_names(by_name)})",
                    nearest(name, map(str, by_name)),
                )
                continue
            _, raw = by_name[name]
            if isinstance(raw.get("params", {}), Mapping):
                raw["params"] = {**raw.get("params", {}), **params}

    def _check_names(self) -> None:
        seen: dict[str, Place] = {}
        for place, raw in self.raw_steps:
            name = raw.get("name")
            if isinstance(name, str) and name in seen:
                first = self.definition.source.line(seen[name]) if self.definition.source else None
                self.definition.mistake((*place, "name"), name, f"a name of its own (line {first} has the same)")
            elif isinstance(name, str):
                seen[name] = place

    def _check_step(self, place: Place, raw: dict[str, Any]) -> None:
        before = len(self.definition.mistakes)
        self._refuse_not_built(raw, place, NOT_BUILT_STEP)
        transforms = [key for key in ("read", "sql", "python", "command") if key in raw]
        if len(transforms) != 1 and not any(key in NOT_BUILT_STEP for key in self._original(place)):
            found = "none" if not transforms else " and ".join(transforms)
            self.definition.mistake(place, found, "exactly one of read, sql, python, command")
        params = self.data.get("params") if isinstance(self.data.get("params"), Mapping) else {}
        merged = {**(params or {}), **self.overrides.params}
        filled = {key: self._filled(value, (*place, key), merged) for key, value in raw.items()}
        if filled.get("cache") is None:
            filled.pop("cache", None)
        step = self._validate(Step, filled, place)
        if "layer" in raw and isinstance(raw["layer"], str) and raw["layer"] not in self.layers:
            self.definition.mistake(
                (*place, "layer"), raw["layer"], f"one of {', '.join(self.layers)}", nearest(raw["layer"], self.layers)
            )
        if isinstance(step, Step) and len(transforms) == 1:
            self._check_fields(place, step)
            if len(self.definition.mistakes) == before or step is not None:
                self.definition.steps[place] = step

    def _original(self, place: Place) -> Mapping[str, Any]:
        original = self.data["steps"][place[-1]]
        return original if isinstance(original, Mapping) else {}

    def _check_fields(self, place: Place, step: Step) -> None:
        belongs = {
            "read": ("read",),
            "sql": ("sql", "inputs", "deterministic"),
            "python": ("python", "inputs", "params", "files", "env", "outputs"),
            "command": ("command", "inputs", "files", "env", "outputs"),
        }
        every = {field for fields in belongs.values() for field in fields}
        for name in sorted(step.model_fields_set & every - set(belongs[step.kind])):
            self.definition.mistake(
                (*place, name), name, f"a field that a {step.kind} step takes ({', '.join(belongs[step.kind])})"
            )
        if step.read is not None:
            self._check_path((*place, "read", "path"), step.read.path)
        if step.sql is not None and not isinstance(step.sql, str):
            self._check_path((*place, "sql", "file"), step.sql.file)
        for i, path in enumerate(step.files):
            self._check_path((*place, "files", i), path)
        if step.sql is not None and not step.bindings:
            self.definition.mistake(place, "no inputs", "inputs: the steps whose results the statement reads")
        if isinstance(step.inputs, tuple) and len(step.bindings) < len(step.inputs):
            self.definition.mistake(
                (*place, "inputs"), ", ".join(step.inputs), "each name once; a mapping gives each input its parameter"
            )
        self._check_outputs(place, step)

    def _check_outputs(self, place: Place, step: Step) -> None:
        if step.command is not None and not step.outputs:
            self.definition.mistake(
                place, "no outputs", "outputs: {NAME: {path: …, format: …}}, what the command makes"
            )
        for name, output in step.outputs.items():
            where = (*place, "outputs", name)
            if output.path is not None:
                self._check_path((*where, "path"), output.path)
                if step.command is None and output.format not in ("file", "folder"):
                    expected = "format: file or folder, where a function puts its output at a path"
                    self.definition.mistake((*where, "format"), output.format, expected)
            elif step.command is not None:
                self.definition.mistake(where, "no path", "path: the file or folder that the command makes")
            if step.command is not None and output.format == "pickle":
                self.definition.mistake((*where, "format"), "pickle", "a format that is read without running code")
        if step.write is not None:
            self._check_path((*place, "write", "path"), step.write.path)
            if len(step.outputs) > 1:
                names = ", ".join(step.outputs)
                self.definition.mistake((*place, "write"), f"outputs {names}", "one result, of which a copy is written")

    def _check_written_paths(self) -> None:
        """A path that one step writes is nobody else's: neither written nor read by another."""
        written: dict[str, str] = {}
        for place, step in self.definition.steps.items():
            paths: dict[Place, str] = {
                ("outputs", name, "path"): output.path for name, output in step.outputs.items() if output.path
            }
            if step.write is not None:
                paths["write", "path"] = step.write.path
            for at, path in paths.items():
                plain = str(PurePosixPath(path))
                owner = next((written[other] for other in written if _overlap(plain, other)), None)
                if owner is not None:
                    self.definition.mistake((*place, *at), path, f"a path of its own (step {owner} writes it)")
                written.setdefault(plain, step.name)
        for place, step in self.definition.steps.items():
            reads: dict[Place, str] = {("read", "path"): step.read.path} if step.read is not None else {}
            reads |= {("files", i): path for i, path in enumerate(step.files)}
            for at, path in reads.items():
                for target, owner in written.items():
                    if _overlap(path, target) or fnmatch.fnmatchcase(target, str(PurePosixPath(path))):
                        expected = f"a path that no step writes: take the result of {owner} as an input"
                        self.definition.mistake((*place, *at), path, expected, owner)

    def _check_path(self, place: Place, path: str) -> None:
        parts = PurePosixPath(path.replace("\\", "/"))
        if not path or parts.is_absolute() or ".." in parts.parts:
            self.definition.mistake(place, path, "a path below the project root")

    def _check_references(self) -> None:
        layer_of = {raw["name"]: raw.get("layer") for _, raw in self.raw_steps if isinstance(raw.get("name"), str)}
        raw_of = {raw["name"]: raw for _, raw in self.raw_steps if isinstance(raw.get("name"), str)}
        self.definition.names = frozenset(layer_of)
        graph: dict[str, set[str]] = {name: set() for name in layer_of}
        place_of: dict[str, Place] = {}
        for place, raw in self.raw_steps:
            name = raw.get("name")
            if isinstance(name, str):
                place_of.setdefault(name, place)
            for at, named in _named_steps(raw):
                where = (*place, *at)
                upstream = Input.parse(named).step
                if upstream not in layer_of:
                    self.definition.mistake(
                        where, upstream, f"a step of this pipeline ({_names(layer_of)})", nearest(upstream, layer_of)
                    )
                elif upstream == name:
                    self.definition.mistake(where, upstream, "another step: a step can't take its own result")
                else:
                    self._check_output_of(where, at, named, raw_of[upstream])
                    self._check_layers(where, name, raw.get("layer"), upstream, layer_of[upstream])
                    if isinstance(name, str):
                        graph[name].add(upstream)
        self._check_jobs(layer_of)
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            cycle = error.args[1]
            self.definition.mistake(
                (*place_of[cycle[0]], "inputs"), " → ".join(reversed(cycle)), "steps without a cycle"
            )

    def _check_jobs(self, names: Mapping[str, object]) -> None:
        jobs = self.data.get("jobs")
        for job, steps in jobs.items() if isinstance(jobs, Mapping) else ():
            for i, name in enumerate(steps) if isinstance(steps, list) else ():
                if name not in names:
                    where = (*self.prefix, "jobs", job, i)
                    self.definition.mistake(
                        where, name, f"a step of this pipeline ({_names(names)})", nearest(name, names)
                    )

    def _check_output_of(self, where: Place, at: Place, named: str, upstream: Mapping[str, Any]) -> None:
        """Does the text name one output of the step?"""
        taken, declared = Input.parse(named), upstream.get("outputs")
        outputs = [str(name) for name in declared] if isinstance(declared, Mapping) else []
        if at[0] == "after":
            if taken.output is not None:
                self.definition.mistake(where, named, "a step, since after hands on no data", taken.step)
        elif taken.output is None and len(outputs) > 1:
            choices = [f"{taken.step}.{output}" for output in outputs]
            self.definition.mistake(where, named, f"one of its outputs: {', '.join(choices)}")
        elif taken.output is not None and taken.output not in outputs:
            choices = [f"{taken.step}.{output}" for output in outputs] or [taken.step]
            self.definition.mistake(where, named, f"one of {', '.join(choices)}", nearest(named, choices))

    def _check_layers(self, where: Place, name: object, layer: object, upstream: str, upstream_layer: object) -> None:
        if layer not in self.layers or upstream_layer not in self.layers:
            return
        if self.layers.index(str(upstream_layer)) > self.layers.index(str(layer)):
            expected = f"a step in {layer} or an earlier layer, since {name} is {layer}"
            self.definition.mistake(where, f"{upstream} ({upstream_layer})", expected)

    def _refuse_not_built(
        self, data: dict[str, Any], place: Place, fields: frozenset[str], also: Sequence[Place] = ()
    ) -> None:
        for key in [key for key in data if key in fields]:
            self.definition.mistake((*place, key), key, NOT_BUILT)
            del data[key]
        for path in also:
            data.pop(str(path[0]), None)

    def _filled(self, value: Any, place: Place, params: Mapping[str, Any]) -> Any:
        if isinstance(value, Mapping):
            return {key: self._filled(item, (*place, key), params) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item, (*place, i), params) for i, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        try:
            filled = fill_params(value, params)
            env_names(filled)
            return filled
        except BadTemplate as error:
            # The whole reference is compared, so that a typo in `params` or `env` finds its name too.
            found = error.found.strip("{} ").partition(".")[2]
            self.definition.mistake(place, error.found, error.expected, nearest(found, error.choices))
            return value

    def _validate(self, model: type[BaseModel], data: Mapping[str, Any], place: Place) -> BaseModel | None:
        try:
            return model.model_validate(dict(data))
        except ValidationError as error:
            for detail, where in _told(error, data):
                self._note(model, detail, (*place, *where), where)
            return None

    def _note(self, model: type[BaseModel], detail: ErrorDetails, place: Place, where: Place) -> None:
        is_optional_input = len(place) > 1 and place[-2] == "inputs" and isinstance(detail["input"], Mapping)
        if is_optional_input:
            self.definition.mistake(place, detail["input"], NOT_BUILT)
        elif tuple(place[-2:]) in NOT_BUILT_NESTED:
            self.definition.mistake(place, place[-1], NOT_BUILT)
        elif detail["type"] == "extra_forbidden":
            fields = list(_model_at(model, where[:-1]).model_fields)
            self.definition.mistake(place, place[-1], f"one of {', '.join(fields)}", nearest(place[-1], fields))
        elif detail["type"] == "missing":
            self.definition.mistake(place[:-1], f"no {place[-1]}", f"{place[-1]}: {_description(model, where)}")
        elif detail["type"] == "literal_error":
            expected = detail.get("ctx", {}).get("expected", "")
            choices = [choice.strip("' ") for choice in expected.replace(" or ", ",").split(",")]
            if (place[-1], str(detail["input"])) in NOT_BUILT_VALUES:
                expected = f"{expected} ({detail['input']} is not built yet)"
            self.definition.mistake(place, detail["input"], expected, nearest(detail["input"], choices))
        else:
            self.definition.mistake(place, detail["input"], _expectation(detail))


def _told(error: ValidationError, data: Mapping[str, Any]) -> Iterator[tuple[ErrorDetails, Place]]:
    """Each error with its place, those of a union's other members left out where one member fits better.

    A value of the wrong kind is one mistake, whatever it might have been; a mapping with a wrong
    field is not also a text that it never meant to be.
    """
    found = [(detail, _place_of(detail, data)) for detail in error.errors()]
    told: set[tuple[Place, str]] = set()
    for detail, where in found:
        kind = "type" if _is_kind(detail) else detail["type"]
        deeper = any(
            other is not detail and place[: len(where)] == where and (len(place) > len(where) or not _is_kind(other))
            for other, place in found
        )
        if (where, kind) in told or (kind == "type" and deeper):
            continue
        told.add((where, kind))
        if kind == "type":
            kinds = dict.fromkeys(_expectation(other) for other, place in found if place == where and _is_kind(other))
            detail = {**detail, "msg": " or ".join(kinds)}
        yield detail, where


def _is_kind(detail: ErrorDetails) -> bool:
    return detail["type"] in _KINDS


_KINDS = {
    "string_type": "a text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "callable_type": "a function",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}


def _expectation(detail: ErrorDetails) -> str:
    if detail["type"] == "string_pattern_mismatch":
        return "a name of letters, digits and underscores that does not begin with a digit"
    if detail["type"] == "too_short":
        return "at least one"
    if detail["type"] in _KINDS and detail["msg"].startswith("Input should be "):
        return _KINDS[detail["type"]]
    message = detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _place_of(detail: ErrorDetails, data: Any) -> Place:
    """Pydantic's location without the names of union members, which are in no file."""
    place: list[str | int] = []
    last = len(detail["loc"]) - 1
    for i, part in enumerate(detail["loc"]):
        exists = (isinstance(data, Mapping) and part in data) or (
            isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data)
        )
        if exists:
            data = data[part]
            place.append(part)
        elif i == last and detail["type"] == "missing":
            place.append(part)
    return tuple(place)


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel]:
    for part in place:
        annotation = (
            model.model_fields[part].annotation if isinstance(part, str) and part in model.model_fields else None
        )
        models = [kind for kind in _kinds(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not models:
            return model
        model = models[0]
    return model


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


def _description(model: type[BaseModel], where: Place) -> str:
    info = _model_at(model, where[:-1]).model_fields.get(str(where[-1]))
    return (info.description if info else None) or "a value"


def _overlap(path: str, other: str) -> bool:
    """Is one of two paths the other, or below it?"""
    one, two = PurePosixPath(path), PurePosixPath(other)
    return one.is_relative_to(two) or two.is_relative_to(one)


def _named_steps(raw: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    inputs, after = raw.get("inputs"), raw.get("after")
    if isinstance(inputs, Mapping):
        yield from ((("inputs", key), value) for key, value in inputs.items() if isinstance(value, str))
    elif isinstance(inputs, list):
        yield from ((("inputs", i), value) for i, value in enumerate(inputs) if isinstance(value, str))
    if isinstance(after, list):
        yield from ((("after", i), value) for i, value in enumerate(after) if isinstance(value, str))


def _names(names: Any) -> str:
    return ", ".join(map(str, names)) or "none"
