"""The identity of a pipeline: for each step all that its key needs, but for the versions of its inputs.

It is plain data, so that a witness can keep it and a plan can be made from it without importing
anything of the user's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from odibi_assets.declare.condition import Condition
from odibi_assets.declare.input import Input
from odibi_assets.identify.item import Item, Obstacle
from odibi_assets.identify.key import Key
from odibi_assets.identify.url_digest import UrlSource


@dataclass(frozen=True)
class StepIdentity:
    """One step's part.

    Attributes:
        key: Its key without bindings; for a step that reads files also without their content.
        bindings: Parameter or table → what it takes.
        handed_as: Parameter or table → the type that it is handed as.
        upstream: Every step that must be settled before.
        reads: Globs whose content counts, section ``files`` of the key.
        source: The URL whose content counts, in the same section.
        env: Variables whose value counts, section ``env`` of the key.
        takes_date: Today's date (UTC) is part of the key.
        obstacles: Why its result can't be reused, as far as that is known before it runs.
        ttl_s: Seconds for which a result may be reused.
        allow: Kinds of obstacles that the step declares harmless.
        places: Output → the path where it is put back when it is reused.
        write: Format and path of the copy for people.
        accepts: Parameters whose input may be absent.
        when: The condition without which it does not run.
        optional: Whether it is absent where it fails.
    """

    name: str
    layer: str
    kind: str
    key: Key
    bindings: Mapping[str, Input] = field(default_factory=dict)
    handed_as: Mapping[str, str] = field(default_factory=dict)
    upstream: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    source: UrlSource | None = None
    env: tuple[str, ...] = ()
    takes_date: bool = False
    obstacles: tuple[Obstacle, ...] = ()
    ttl_s: float | None = None
    allow: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    write: tuple[str, str] | None = None
    accepts: tuple[str, ...] = ()
    when: Condition | None = None
    optional: bool = False

    def does_without(self, step: str) -> bool:
        """Does it take data of a step, and accept that there are none?"""
        taking = [name for name, taken in self.bindings.items() if taken.step == step]
        return bool(taking) and set(taking) <= set(self.accepts)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "layer": self.layer,
            "kind": self.kind,
            "key": self.key.to_json(),
            "bindings": {name: str(taken) for name, taken in self.bindings.items()},
            "handed_as": dict(self.handed_as),
            "upstream": list(self.upstream),
            "reads": list(self.reads),
            "source": self.source.to_json() if self.source else None,
            "env": list(self.env),
            "takes_date": self.takes_date,
            "obstacles": [obstacle.to_json() for obstacle in self.obstacles],
            "ttl_s": self.ttl_s,
            "allow": list(self.allow),
            "places": dict(self.places),
            "write": list(self.write) if self.write else None,
            "accepts": list(self.accepts),
            "when": self.when.to_json() if self.when is not None else None,
            "optional": self.optional,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StepIdentity:
        return cls(
            name=data["name"],
            layer=data["layer"],
            kind=data["kind"],
            key=Key.from_json(data["key"]),
            bindings={name: Input.parse(text) for name, text in data["bindings"].items()},
            handed_as=data["handed_as"],
            upstream=tuple(data["upstream"]),
            reads=tuple(data["reads"]),
            source=UrlSource(**data["source"]) if data.get("source") else None,
            env=tuple(data["env"]),
            takes_date=data["takes_date"],
            obstacles=tuple(Obstacle(*obstacle) for obstacle in data["obstacles"]),
            ttl_s=data["ttl_s"],
            allow=tuple(data["allow"]),
            places=data["places"],
            write=tuple(data["write"]) if data["write"] else None,
            accepts=tuple(data["accepts"]),
            when=Condition(**data["when"]) if data["when"] is not None else None,
            optional=data["optional"],
        )


@dataclass(frozen=True)
class PipelineIdentity:
    """A pipeline's steps in an order in which each follows all that it waits for.

    Attributes:
        store: Where the pipeline says its results live, if it says so.
        checkpoint: ``auto`` or ``layer``.
        computed_values: Module values that come from calls: no witness can vouch for them.
    """

    name: str
    layers: tuple[str, ...]
    steps: tuple[StepIdentity, ...]
    store: str | None = None
    checkpoint: str = "auto"
    on_error: str = "fail_fast"
    computed_values: tuple[str, ...] = ()

    @property
    def by_name(self) -> Mapping[str, StepIdentity]:
        return {step.name: step for step in self.steps}

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "layers": list(self.layers),
            "steps": [step.to_json() for step in self.steps],
            "store": self.store,
            "checkpoint": self.checkpoint,
            "on_error": self.on_error,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PipelineIdentity:
        return cls(
            data["name"],
            tuple(data["layers"]),
            tuple(StepIdentity.from_json(step) for step in data["steps"]),
            data["store"],
            data["checkpoint"],
            data["on_error"],
        )


def with_items(
    step: StepIdentity, *, files: Mapping[str, Item], env: Mapping[str, Item], settings: Mapping[str, Item]
) -> StepIdentity:
    """The step with what the world adds to its key now: file contents, variables, the date."""
    key = replace(step.key, files=files, env=env, settings={**step.key.settings, **settings})
    return replace(step, key=key)
