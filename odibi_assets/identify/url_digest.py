"""Digests of what URLs answer, with copies that spare a transfer where the server says that nothing changed."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi_assets.declare.template import fill_env
from odibi_assets.errors import OdibiAssetsError
from odibi_assets.identify.digest import Digest, keyed_digest
from odibi_assets.identify.local_file import write_local
from odibi_assets.identify.observing import unobserved

if TYPE_CHECKING:
    from odibi_assets.identify.download import Request

_VERSION = 1
_AT_ONCE = 8
_ABANDONED_S = 86400.0
# By the beginning of the content: pandas unpacks what has such a name, and the copy has none of its own.
_PACKED = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\x00": ".xz", b"\x28\xb5\x2f\xfd": ".zst"}


@dataclass(frozen=True)
class UrlSource:
    """A URL and the headers to ask it with, their environment templates unfilled."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"url": self.url, "headers": dict(self.headers)}


@dataclass
class UrlDigests:
    """Digests of the content of URLs, each asked for once.

    What a URL answered last lies on this machine: its content, and the ETag or the time of change that
    the next request names. A server that says "not modified" spares the transfer; whatever it sends is
    digested, so that only another content is another digest.

    Attributes:
        folder: Where the copies lie; safe to delete.
        known: What was answered, by the name of the file that keeps it.
        salt: Of the store: names of files are digests with it, since an address may hold a secret.
    """

    folder: Path
    salt: bytes
    env: Mapping[str, str]
    known: dict[str, Digest | OdibiAssetsError] = field(default_factory=dict)

    def ask(self, source: UrlSource) -> Digest:
        """The digest of what the URL answers, asked for unless it has answered.

        Raises:
            SourceError: It did not; SourceAway where it may, a little later.
            UsageError: A variable is not set, or the address is none.
        """
        request, name = self._request(source)
        known = self.known.get(name)
        if not isinstance(known, Digest):
            try:
                known = self._asked(request, name)
            except OdibiAssetsError as error:
                self.known[name] = error
                raise
            self.known[name] = known
        return known

    def ask_all(self, sources: Iterable[UrlSource]) -> None:
        """Ask several at once; what fails is told when its digest is asked for."""
        waiting = list(sources)
        if len(waiting) < 2:
            for source in waiting:
                self._ask_quietly(source)
            return
        import concurrent.futures

        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._ask_quietly, waiting))

    def digest(self, source: UrlSource) -> Digest:
        """As ``ask``, but a failure that is known is not tried again."""
        known = self.known.get(self._request(source)[1])
        if isinstance(known, OdibiAssetsError):
            raise known
        return self.ask(source)

    def content(self, source: UrlSource, digest: Digest) -> Path:
        """The file with the content of a URL; fetched again where the copy is gone or damaged.

        Its digest is another then, if the source changed meanwhile: ``ask`` knows it.

        Raises:
            SourceError: It is gone, and the URL does not answer.
        """
        path = self._copy(digest)
        with unobserved():
            if path.is_file() and Digest.of_file(path) == digest:
                return _unpackable(path)
        request, name = self._request(source)
        self.known[name] = found = self._asked(request, name, is_whole=True)
        return _unpackable(self._copy(found))

    def _ask_quietly(self, source: UrlSource) -> None:
        with contextlib.suppress(OdibiAssetsError):
            self.digest(source)

    def _request(self, source: UrlSource) -> tuple[Request, str]:
        """What to ask for, and the name of what is known of it."""
        from odibi_assets.identify.download import Request  # Most pipelines ask for no URL.

        url: str = fill_env(source.url, self.env)
        headers: dict[str, str] = fill_env(dict(source.headers), self.env)
        text = json.dumps([url, sorted(headers.items())])
        return Request(url, source.url, headers, {}), keyed_digest(self.salt, text.encode()).hex

    def _asked(self, request: Request, name: str, *, is_whole: bool = False) -> Digest:
        import tempfile

        from odibi_assets.identify.download import Request, download

        with unobserved():
            note = {} if is_whole else self._note(name)
            validators = dict(note.get("validators", {}))
            self._make_room()
            handle, aside = tempfile.mkstemp(dir=self.folder, prefix=".part-")
            os.close(handle)
            try:
                found = download(Request(request.url, request.shown, request.headers, validators), Path(aside))
                if found is None:
                    return Digest(note["digest"])
                digest = Digest.of_file(Path(aside))
                os.replace(aside, self._copy(digest))
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(aside)
            before = self._note(name).get("digest")
            if before not in (None, digest.hex):
                _remove(self._copy(Digest(before)))
            write_local(
                self.folder / f"{name}.json",
                json.dumps({"v": _VERSION, "digest": digest.hex, "validators": found}),
            )
            return digest

    def _note(self, name: str) -> dict[str, Any]:
        try:
            note = json.loads((self.folder / f"{name}.json").read_text())
            Digest(note["digest"])
            return dict(note) if note["v"] == _VERSION and isinstance(note["validators"], dict) else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _copy(self, digest: Digest) -> Path:
        return self.folder / digest.hex

    def _make_room(self) -> None:
        """The folder, without what a killed process left half."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.glob(".part-*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()


def _remove(path: Path) -> None:
    for one in (path, *(path.with_name(path.name + suffix) for suffix in _PACKED.values())):
        with contextlib.suppress(OSError):
            one.unlink()


def _unpackable(path: Path) -> Path:
    """The copy under a name that says how it is packed, if it is."""
    with open(path, "rb") as file:
        start = file.read(8)
    suffix = next((suffix for magic, suffix in _PACKED.items() if start.startswith(magic)), None)
    if suffix is None:
        return path
    named = path.with_name(path.name + suffix)
    temporary = named.with_name(f".part-{os.getpid()}-{named.name}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    os.link(path, temporary)
    os.replace(temporary, named)
    return named


# One command may open a pipeline more than once in a process, to plan it and to run it: a URL is asked once for both.
_LEFT: dict[str, Mapping[str, Digest | OdibiAssetsError]] = {}


def leave(urls: UrlDigests | None, key: str) -> None:
    """Leave what was answered to whoever goes on with the same command in this process."""
    if urls is not None:
        _LEFT[key] = dict(urls.known)


def take_left(urls: UrlDigests | None, key: str) -> None:
    """Take what was left, once."""
    if urls is not None:
        urls.known.update(_LEFT.pop(key, {}))
