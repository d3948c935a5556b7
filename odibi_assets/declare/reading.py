"""A pipeline is read from parsed YAML, every mistake noted that the file alone shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from odibi_assets.declare.condition import Condition
from odibi_assets.declare.definition import Definition
from odibi_assets.declare.mistake import nearest
from odibi_assets.declare.not_built import NOT_BUILT, NOT_BUILT_PIPELINE, NOT_BUILT_STEP
from odibi_assets.declare.overrides import Overrides
from odibi_assets.declare.paths import check_path, check_written
from odibi_assets.declare.pipeline import DEFAULT_LAYERS, Pipeline
from odibi_assets.declare.presets import expanded
from odibi_assets.declare.references import References, names_shown
from odibi_assets.declare.source_url import check_read
from odibi_assets.declare.step import Step, secret_template
from odibi_assets.declare.template import BadTemplate, env_names, fill_params
from odibi_assets.declare.validation import validated
from odibi_assets.declare.yaml_source import Place, YamlSource

COMPONENT_TYPE = "odibi_assets.MedallionPipeline"


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
    definition.data, definition.prefix = data, prefix
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
        check_written(self.definition)
        References(self.definition, self.prefix, self.layers, self.raw_steps, self.data.get("jobs")).check()
        if not self.definition.mistakes:
            steps = tuple(self.definition.steps[place] for place, _ in self.raw_steps)
            self.definition.pipeline = Pipeline(**pipeline_data, steps=steps)
        return self.definition

    def _pipeline_data(self) -> dict[str, Any]:
        data = {key: value for key, value in self.data.items() if key != "steps"}
        if self.overrides.on_error is not None:
            data["on_error"] = self.overrides.on_error
        if self.overrides.rollback is not None:
            data["rollback"] = self.overrides.rollback
        self._refuse_not_built(data, self.prefix, NOT_BUILT_PIPELINE)
        if isinstance(data.get("params", {}), Mapping):
            params = dict(data.get("params", {}))
            for name, value in self.overrides.params.items():
                if name not in params:
                    self.definition.mistake(
                        (*self.prefix, "params"),
                        f"--set {name}={value}",
                        f"a parameter of the pipeline ({names_shown(params)})",
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
        data = expanded(data)
        # A placeholder stands for the steps, which are checked one by one with places of their own.
        placeholder = Step(name="placeholder", layer="placeholder", sql="select 1")
        found = validated(self.definition, Pipeline, {**data, "steps": (placeholder,)}, self.prefix)
        if isinstance(found, Pipeline):
            self.definition.retry = found.retry
            if found.retry.params:
                expected = "retry.params of the step whose params they are"
                self.definition.mistake((*self.prefix, "retry", "params"), ", ".join(found.retry.params), expected)
        layers = data.get("layers")
        if isinstance(layers, list) and layers and all(isinstance(layer, str) for layer in layers):
            self.layers = layers
            for i, layer in enumerate(layers):
                if layer in layers[:i]:
                    self.definition.mistake((*self.prefix, "layers", i), layer, "each layer once")
        return data

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
                    f"a step of the pipeline ({names_shown(by_name)})",
                    nearest(name, map(str, by_name)),
                )
                continue
            _, raw = by_name[name]
            if isinstance(raw.get("params", {}), Mapping):
                raw["params"] = {**raw.get("params", {}), **params}
                raw.update(_without_attempts(raw.get("retry"), params))

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
        filled = {key: self._filled(value, (*place, key), merged) for key, value in raw.items() if key != "when"}
        if "when" in raw:
            self._note_condition(filled, raw["when"], (*place, "when"), merged)
        if filled.get("cache") is None:
            filled.pop("cache", None)
        step = validated(self.definition, Step, filled, place)
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
        self._check_params_by_attempt(place, step)
        if step.read is not None:
            check_read(self.definition, (*place, "read"), step.read)
        if step.sql is not None and not isinstance(step.sql, str):
            check_path(self.definition, (*place, "sql", "file"), step.sql.file)
        for i, path in enumerate(step.files):
            check_path(self.definition, (*place, "files", i), path)
        if step.sql is not None and not step.bindings:
            self.definition.mistake(place, "no inputs", "inputs: the steps whose results the statement reads")
        if isinstance(step.inputs, tuple) and len(step.bindings) < len(step.inputs):
            self.definition.mistake(
                (*place, "inputs"), ", ".join(step.inputs), "each name once; a mapping gives each input its parameter"
            )
        for name in step.accepts if step.sql is not None else ():
            self.definition.mistake(
                (*place, "inputs", name, "if_absent"), "none", "a python or command step, since SQL has no absent table"
            )
        self._check_outputs(place, step)

    def _check_params_by_attempt(self, place: Place, step: Step) -> None:
        for name, values in step.params_by_attempt.items():
            where = (*place, "retry", "params", name)
            if step.python is None:
                self.definition.mistake(where, name, f"a param of a python step; a {step.kind} step has none")
            for i, value in enumerate(values):
                if secret_template(value) is not None:
                    self.definition.mistake((*where, i), "a secret", "a value that may be part of the key")
            if secret_template(step.params.get(name)) is not None:
                self.definition.mistake(where, name, "a param that is no secret, since its values are part of the key")

    def _check_outputs(self, place: Place, step: Step) -> None:
        if step.command is not None and not step.outputs:
            self.definition.mistake(
                place, "no outputs", "outputs: {NAME: {path: …, format: …}}, what the command makes"
            )
        for name, output in step.outputs.items():
            where = (*place, "outputs", name)
            if output.path is not None:
                check_path(self.definition, (*where, "path"), output.path)
                if step.command is None and output.format not in ("file", "folder"):
                    expected = "format: file or folder, where a function puts its output at a path"
                    self.definition.mistake((*where, "format"), output.format, expected)
            elif step.command is not None:
                self.definition.mistake(where, "no path", "path: the file or folder that the command makes")
            if step.command is not None and output.format == "pickle":
                self.definition.mistake((*where, "format"), "pickle", "a format that is read without running code")
        if step.write is not None:
            check_path(self.definition, (*place, "write", "path"), step.write.path)
            if len(step.outputs) > 1:
                names = ", ".join(step.outputs)
                self.definition.mistake((*place, "write"), f"outputs {names}", "one result, of which a copy is written")

    def _refuse_not_built(self, data: dict[str, Any], place: Place, fields: frozenset[str]) -> None:
        for key in [key for key in data if key in fields]:
            self.definition.mistake((*place, key), key, NOT_BUILT)
            del data[key]

    def _note_condition(self, filled: dict[str, Any], value: Any, place: Place, params: Mapping[str, Any]) -> None:
        try:
            filled["when"] = Condition.of(value, params)
        except BadTemplate as error:
            near = nearest(error.found.strip("{} ").partition(".")[2], error.choices)
            self.definition.mistake(place, error.found, error.expected, near)

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


def _without_attempts(retry: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """A step's retry as far as it says nothing of some params: what is set for a run holds in each attempt."""
    if not isinstance(retry, Mapping) or not isinstance(retry.get("params"), Mapping):
        return {}
    left = {name: values for name, values in retry["params"].items() if name not in params}
    return {"retry": {**retry, "params": left}}
