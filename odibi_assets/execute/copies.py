"""Copies outside the store: files for people, and outputs that stand at a path; put back when they are not there.

They are no part of any identity. Whether one is right is told by content: a record on this machine
says which version a path was last written from, and what it held then.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from odibi_assets.decide.plan import World
from odibi_assets.errors import NotStorable, StepError
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.identity import StepIdentity
from odibi_assets.identify.local_file import write_local
from odibi_assets.identify.observing import unobserved
from odibi_assets.keep.formats.files import captured
from odibi_assets.keep.formats.kept import Kept, new_path
from odibi_assets.keep.result import Result

_VERSION = 1
_log = logging.getLogger("odibi_assets")

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


@dataclass(frozen=True)
class Copies:
    """The copies of one project on this machine."""

    world: World

    @property
    def _path(self) -> Path:
        return self.world.local / "copies.json"

    def _record(self) -> dict[str, list[str]]:
        """Path → what it was written from, and what it held then; read anew, as other processes add to it."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError), unobserved():
            data = json.loads(self._path.read_text())
            if data["v"] == _VERSION:
                return dict(data["copies"])
        return {}

    def are_right(self, step: StepIdentity, result: Result) -> bool:
        """Does every copy of a step's result stand where it should?"""
        return all(self._is_right(path, wanted) for path, wanted, _ in self._wanted(step, result))

    def refresh(self, step: StepIdentity, result: Result, value: Callable[[str], Kept], log: Log = _log) -> None:
        """Write the copies that are missing or another.

        Args:
            value: Gives an output's value.

        Raises:
            StepError: One can't be written.
        """
        for path, wanted, output in self._wanted(step, result):
            if self._is_right(path, wanted):
                continue
            with unobserved():
                try:
                    self.clear(path, log)
                    if output is None:
                        self._write(step, path, value(next(iter(result.outputs))))
                    else:
                        self._put_back(path, value(output))
                except OSError as error:
                    raise StepError(
                        f"The copy {path} of step {step.name!r} can't be written: {error.strerror or error}. "
                        "The result itself is kept; run again when the path can be written."
                    ) from error
                self._note(path, wanted)

    def clear(self, path: str, log: Log = _log) -> None:
        """Make room at a path; what stands there and is not ours is moved aside, not deleted."""
        target = self.world.root / path
        if not target.parent.resolve().is_relative_to(self.world.root.resolve()):
            raise StepError(
                f"{path} leads to {target.parent.resolve()}, outside the project root: expected a place below it."
            )
        with contextlib.suppress(OSError):  # Whoever writes there meets it again, and says so.
            target.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(target):
            return
        known = self._record().get(path)
        if known is not None and known[1] == self._content(path) and not target.is_symlink():
            _remove(target)
            return
        aside = self.world.local / "aside" / f"{time.strftime('%Y%m%dT%H%M%S')}-{target.name}"
        aside = aside if not aside.exists() else new_path(aside.parent, f"-{target.name}")
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(target, aside)
        log.warning("%s was not written by this pipeline, or was changed since: it was moved to %s.", path, aside)

    @contextlib.contextmanager
    def room_for(self, step: StepIdentity, log: Log = _log) -> Iterator[None]:
        """While a step is computed: the paths of its outputs are empty at first, and again if it fails."""
        with unobserved():
            for path in step.places.values():
                self.clear(path, log)
        try:
            yield
        except BaseException:
            self.discard(step)
            raise

    def discard(self, step: StepIdentity) -> None:
        """Remove what a step that failed left at the paths of its outputs."""
        with unobserved(), contextlib.suppress(OSError):
            for path in step.places.values():
                _remove(self.world.root / path)

    def _wanted(self, step: StepIdentity, result: Result) -> Iterator[tuple[str, str, str | None]]:
        """Path, what should stand there, and which output it is; None for the copy for people."""
        for output, path in step.places.items():
            yield path, str(result.outputs[output].version), output
        if step.write is not None:
            format, path = step.write
            yield path, f"{result.version} {format}", None

    def _is_right(self, path: str, wanted: str) -> bool:
        content = self._content(path)
        return content is not None and (content == wanted or self._record().get(path) == [wanted, content])

    def _content(self, path: str) -> str | None:
        with contextlib.suppress(NotStorable, OSError), unobserved():
            return str(captured(self.world.root / path, self.world.files.digest).version())
        return None

    def _write(self, step: StepIdentity, path: str, kept: Kept) -> None:
        from odibi_assets.engines.pandas_engine import PandasEngine

        assert step.write is not None
        format, target = step.write[0], self.world.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.parent / f".{target.name}-{os.getpid()}{target.suffix}"
        try:
            if kept.format == "parquet" and format not in ("text", "bytes"):
                PandasEngine().write(kept.value, format, aside)
            elif kept.format == format or (format == "bytes" and kept.format in ("text", "json")):
                aside.write_bytes(kept.value)
            else:
                raise StepError(
                    f"Step {step.name!r} has a {kept.format} result, of which no {format} copy can be made."
                )
            os.replace(aside, target)
        finally:
            aside.unlink(missing_ok=True)

    def _put_back(self, path: str, kept: Kept) -> None:
        from odibi_assets.keep.formats.known import put_kept

        put_kept(kept, self.world.root / path, self.world.local / "values")

    def _note(self, path: str, wanted: str) -> None:
        content = self._content(path)
        if content is not None:
            record = {**self._record(), path: [wanted, content]}
            write_local(self._path, json.dumps({"v": _VERSION, "copies": record}))

    def note_output(self, path: str, version: Digest) -> None:
        """Remember that a step of ours put this at a path."""
        self._note(path, str(version))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
