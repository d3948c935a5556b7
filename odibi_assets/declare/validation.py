"""Data held against a model: what pydantic finds, told as mistakes with their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from odibi_assets.declare.definition import Definition
from odibi_assets.declare.mistake import nearest
from odibi_assets.declare.not_built import NOT_BUILT, NOT_BUILT_NESTED, NOT_BUILT_VALUES
from odibi_assets.declare.yaml_source import Place


def validated(
    definition: Definition, model: type[BaseModel], data: Mapping[str, Any], place: Place
) -> BaseModel | None:
    """The model of some data; None where they do not fit, with a mistake noted at each place."""
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        for detail, where in _told(error, data):
            _note(definition, model, detail, (*place, *where), where)
        return None


def _note(definition: Definition, model: type[BaseModel], detail: ErrorDetails, place: Place, where: Place) -> None:
    if tuple(part for part in place if isinstance(part, str))[-2:] in NOT_BUILT_NESTED:
        definition.mistake(place, place[-1], NOT_BUILT)
    elif detail["type"] == "extra_forbidden":
        fields = list(_model_at(model, where[:-1]).model_fields)
        definition.mistake(place, place[-1], f"one of {', '.join(fields)}", nearest(place[-1], fields))
    elif detail["type"] == "missing":
        definition.mistake(place[:-1], f"no {place[-1]}", f"{place[-1]}: {_description(model, where)}")
    elif detail["type"] == "literal_error":
        expected = detail.get("ctx", {}).get("expected", "")
        choices = [choice.strip("' ") for choice in expected.replace(" or ", ",").split(",")]
        if (place[-1], str(detail["input"])) in NOT_BUILT_VALUES:
            expected = f"{expected} ({detail['input']} is not built yet)"
        definition.mistake(place, detail["input"], expected, nearest(detail["input"], choices))
    elif place[-1] == "url":
        definition.mistake(place, "a value that is not shown, since it may hold a secret", _expectation(detail))
    else:
        definition.mistake(place, detail["input"], _expectation(detail))


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
