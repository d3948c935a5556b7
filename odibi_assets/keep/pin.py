"""A pin keeps results from being collected while a process relies on them and nothing else names them yet."""

from __future__ import annotations

import contextlib
import datetime
import uuid
from collections.abc import Iterable, Iterator

from odibi_assets.errors import UnknownLayout
from odibi_assets.identify.digest import Digest
from odibi_assets.keep import canonical_json
from odibi_assets.keep.process import may_go_on, this_process
from odibi_assets.keep.result import ResultId
from odibi_assets.keep.store import Store


@contextlib.contextmanager
def pinned(store: Store, ids: Iterable[ResultId], *, at: str) -> Iterator[None]:
    """Keep results, stored or about to be, until the end of the block or of this process."""
    name = f"pins/{uuid.uuid4().hex}"
    results = [[str(key), generation] for key, generation in ids]
    store.put(name, canonical_json.dump({"process": this_process(), "at": at, "results": results}))
    try:
        yield
    finally:
        store.delete(name)


def pins(store: Store, now: datetime.datetime) -> tuple[frozenset[ResultId], tuple[str, ...]]:
    """The results that are pinned, and the names of pins whose process is gone.

    Raises:
        UnknownLayout: Another version of odibi-assets wrote one.
    """
    ids: set[ResultId] = set()
    stale = []
    for name in store.list("pins"):
        data = store.get(name)
        if data is None:
            continue
        try:
            found = canonical_json.load(data, name)
            is_held = may_go_on(found["process"], began_at=found["at"], now=now)
            own = {(Digest.parse(key), int(generation)) for key, generation in found["results"]}
        except UnknownLayout:
            raise
        except canonical_json.UNREADABLE:
            is_held, own = False, set()
        if is_held:
            ids |= own
        else:
            stale.append(name)
    return frozenset(ids), tuple(stale)
