"""A bucket is opened: its server is tried once, its copies are checked against it, what waits is uploaded."""

from __future__ import annotations

import logging
import os
import shutil
import uuid

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.errors import StoreAway, StoreError
from odibi_assets.identify.digest import Digest
from odibi_assets.keep.bucket_client import settings_of
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.object_store import ObjectStore
from odibi_assets.keep.tiers import TieredStore
from odibi_assets.keep.upload import waiting

_PROBED = "conditional-writes"
_log = logging.getLogger("odibi_assets")


def open_bucket(root: BucketRoot) -> TieredStore:
    """The store in a bucket, with this machine's folders before it.

    Raises:
        UsageError: Its settings contradict one another, or its server does not honour conditional writes.
        StoreError: It can't be used, or it is away and this machine has never opened it.
    """
    settings = settings_of(root)
    place = Digest.of_struct("bucket", [root.url, settings.endpoint]).hex[:16]
    held = FolderStore(root.local / place, durable=False)
    spool = FolderStore(root.spool / place)
    store = TieredStore(ObjectStore(root, settings, held.root), held, spool)
    if not store.away:
        _meet(store)
    if store.away and store.get("format.json") is None:
        raise StoreAway(
            f"The store {root.url} does not answer, and this machine has never opened it, so there is nothing to go on "
            "with. Check the network, the endpoint and the credentials, or set ODA_STORE to a folder."
        )
    store.catch_up()
    return store


def _meet(store: TieredStore) -> None:
    """Look who answers: a server that honours conditions, and the store that the copies are of."""
    bucket, held = store.bucket, store.held
    try:
        found = bucket.get("format.json")
        if held.get(_PROBED) is None:
            _try_conditions(store, is_made=found is not None)
    except StoreAway as error:
        store.leave(error)
        return
    _drop_strangers(store, found)


def _drop_strangers(store: TieredStore, found: bytes | None) -> None:
    """Drop the copies of another store, which lay here before; what waited for it is put aside."""
    held, spool = store.held, store.spool
    if any(known not in (None, found) for known in (held.get("format.json"), spool.get("format.json"))):
        _log.warning("The store %s is not the one that this machine knew: its copies are dropped.", store.name)
        shutil.rmtree(held.root, ignore_errors=True)
        held.put(_PROBED, b"honoured")
        if waiting(spool):
            aside = spool.root.with_name(f"{spool.root.name}-{uuid.uuid4().hex[:8]}")
            os.replace(spool.root, aside)
            _log.warning("What waited for the former one lies in %s; remove it when it is not needed.", aside)
        else:
            shutil.rmtree(spool.root, ignore_errors=True)


def _try_conditions(store: TieredStore, *, is_made: bool) -> None:
    try:
        store.bucket.check_conditions()
    except StoreAway:
        raise
    except StoreError as error:
        if not is_made:
            raise
        store.leave(error)  # Where this machine may only read, it can spoil nothing.
    else:
        store.held.put(_PROBED, b"honoured")
