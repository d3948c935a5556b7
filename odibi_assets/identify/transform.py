"""The function that a Python step names: where it is, which inputs it takes, and as what."""

from __future__ import annotations

import contextlib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from odibi_assets.declare.definition import Definition
from odibi_assets.declare.input import Input
from odibi_assets.declare.mistake import nearest
from odibi_assets.declare.step import Step
from odibi_assets.declare.yaml_source import Place
from odibi_assets.identify.reference import BadReference, imported

PANDAS, ARROW, PATH = "pandas.DataFrame", "pyarrow.Table", "pathlib.Path"
POLARS, LAZY, RELATION = "polars.DataFrame", "polars.LazyFrame", "duckdb.DuckDBPyRelation"
FRAMES = (PANDAS, ARROW, POLARS, LAZY, RELATION, PATH)


@dataclass(frozen=True)
class Transform:
    """A resolved function.

    Attributes:
        function: What is called.
        inputs: Its positional parameters → the type each is handed.
        params: Its keyword-only parameters.
        required: Those of them without a default.
        takes_any_param: It takes ``**params``.
        context: The parameter that receives the step's context, if it has one.
    """

    function: Callable[..., Any]
    inputs: Mapping[str, str]
    params: tuple[str, ...]
    required: frozenset[str]
    takes_any_param: bool = False
    context: str | None = None


def resolve(reference: str | Callable[..., Any]) -> Transform:
    """Import the function behind ``module:function`` and read its signature.

    Raises:
        BadReference: There is no such module or function, or its parameters can't be bound.
    """
    function = reference if callable(reference) else imported(reference)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise BadReference(str(reference), f"a function with a signature ({error})") from error
    annotations = _annotations(function)
    inputs: dict[str, str] = {}
    params, required, takes_any, context = [], set(), False, None
    for name, parameter in signature.parameters.items():
        if name == "context":
            context = name
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            inputs[name] = handed_as(annotations.get(name, parameter.annotation))
        elif parameter.kind is parameter.KEYWORD_ONLY:
            params.append(name)
            if parameter.default is parameter.empty:
                required.add(name)
        elif parameter.kind is parameter.VAR_KEYWORD:
            takes_any = True
        else:
            raise BadReference(
                f"*{name}", "named parameters: each positional one is an input, each keyword-only one a param"
            )
    return Transform(function, inputs, tuple(params), frozenset(required), takes_any, context)


def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    with contextlib.suppress(Exception):  # a name that is imported for type checkers only
        return typing.get_type_hints(inspect.unwrap(function))
    return dict(getattr(inspect.unwrap(function), "__annotations__", {}))


def handed_as(annotation: Any) -> str:
    """What a parameter asks for: one of ``FRAMES``, or the annotation of a value that is no frame."""
    if annotation is inspect.Parameter.empty or annotation is None:
        return PANDAS
    text = (
        annotation
        if isinstance(annotation, str)
        else f"{getattr(annotation, '__module__', '')}.{getattr(annotation, '__qualname__', annotation)}"
    )
    if text.endswith("DataFrame") and "polars" not in text and "spark" not in text:
        return PANDAS
    if (text.startswith(("pyarrow", "pa.")) and text.endswith("Table")) or text == "Table":
        return ARROW
    for kind, names in _FRAME_NAMES.items():
        if text in names or (text.startswith(kind.partition(".")[0]) and text.endswith(kind.rpartition(".")[2])):
            return kind
    return text


_FRAME_NAMES = {
    POLARS: ("pl.DataFrame",),
    LAZY: ("pl.LazyFrame",),
    RELATION: ("DuckDBPyRelation",),
    PATH: ("Path",),
}


ANYTHING = ("typing.Any", "builtins.object", "Any", "object")


def _is_frame(definition: Definition, taken: Input) -> bool:
    """Is an input known to be a frame, before anything runs?"""
    upstream = next((step for step in definition.steps.values() if step.name == taken.step), None)
    if upstream is None:
        return False
    if upstream.outputs:
        output = upstream.outputs.get(taken.output or next(iter(upstream.outputs)))
        return output is not None and output.format == "parquet"
    return upstream.kind in ("read", "sql")


def check_transform(definition: Definition, place: Place, step: Step) -> Transform | None:
    """Resolve a step's function, noting what does not fit the step's inputs and params."""
    if step.python is None:
        return None
    try:
        transform = resolve(step.python)
    except BadReference as error:
        definition.mistake((*place, "python"), error.found, error.expected, error.nearest)
        return None
    name = step.python if isinstance(step.python, str) else getattr(step.python, "__name__", repr(step.python))
    bound = set(step.bindings) if definition.knows_inputs_of(step) else set(transform.inputs)
    for parameter in sorted(bound - set(transform.inputs)):
        at = step.place_of_input(parameter)
        expected = f"an input that {name} takes ({', '.join(transform.inputs) or 'none'})"
        definition.mistake((*place, *at), parameter, expected, nearest(parameter, transform.inputs))
    for parameter in sorted(set(transform.inputs) - bound):
        definition.mistake(
            (*place, "inputs"), f"no {parameter}", f"a step for each input of {name} ({', '.join(transform.inputs)})"
        )
    for parameter in sorted(bound & set(transform.inputs) & set(step.bindings)):
        asked = transform.inputs[parameter]
        if asked not in FRAMES and asked not in ANYTHING and _is_frame(definition, step.bindings[parameter]):
            expected = (
                f"a frame's type ({', '.join(FRAMES)}) or no annotation, since {step.bindings[parameter]} is a frame"
            )
            definition.mistake((*place, "python"), f"{parameter}: {asked} in {name}", expected)
    given = {**dict.fromkeys(step.params, ("params",)), **dict.fromkeys(step.params_by_attempt, ("retry", "params"))}
    for parameter in sorted(set(given) - set(transform.params)):
        if not transform.takes_any_param:
            expected = f"a keyword-only parameter of {name} ({', '.join(transform.params) or 'none'})"
            at = (*place, *given[parameter], parameter)
            definition.mistake(at, parameter, expected, nearest(parameter, transform.params))
    for parameter in sorted(transform.required - set(given)):
        definition.mistake((*place, "params"), f"no {parameter}", f"a value for each required param of {name}")
    return transform
