"""What pipelines declare of collection is noted in the store: who collects need not have their files."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from odibi_assets.declare.policies import Retention
from odibi_assets.keep import canonical_json
from odibi_assets.keep.store import Store


def note_retention(store: Store, pipeline: str, policy: Retention) -> None:
    """Note what a pipeline declares, unless that is known."""
    name, data = f"retention/{pipeline}", canonical_json.dump(policy.model_dump())
    if store.get(name) != data:
        store.put(name, data)


def noted_retention(store: Store) -> Mapping[str, Retention]:
    """What the pipelines that ran in a store declared last."""
    found = {}
    for name in store.list("retention"):
        with contextlib.suppress(*canonical_json.UNREADABLE):
            fields = canonical_json.load(store.get(name) or b"", name)
            del fields["v"]
            found[name.partition("/")[2]] = Retention.model_validate(fields)
    return found
