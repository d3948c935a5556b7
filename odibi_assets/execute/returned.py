"""What a step came out with: by output, each settled in its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odibi_assets.declare.step import Step
from odibi_assets.engines.engine import Engine
from odibi_assets.errors import NotStorable
from odibi_assets.keep.formats.kept import Kept
from odibi_assets.keep.formats.known import FORMATS, suitable
from odibi_assets.keep.formats.plain import described


@dataclass(frozen=True)
class Returned:
    """How the value of one step is taken.

    Attributes:
        folder: For files, as long as the run lasts.
    """

    step: Step
    root: Path
    engine: Engine
    folder: Path

    def settled(self, value: Any, *, shared: bool) -> dict[str, Kept]:
        """The outputs in a returned value, in the form in which they are kept.

        Args:
            shared: Somebody may still change it.

        Raises:
            NotStorable: An output is missing, unknown, or would not come back as it is.
        """
        return {name: self._settled(name, found, shared) for name, found in self._by_output(value).items()}

    def _settled(self, name: str, value: Any, shared: bool) -> Kept:
        declared = self.step.outputs[name].format if name in self.step.outputs else None
        format = declared or ("parquet" if self.engine.is_frame(value) else suitable(value))
        if format == "parquet":
            value = self.engine.take(value)
        elif isinstance(value, Path):
            value = self.root / value
        try:
            return FORMATS[format].settle(value, shared=shared, folder=self.folder)
        except NotStorable as error:
            if name not in self.step.outputs:
                raise
            raise NotStorable(f"Output {name!r}: {error}") from error

    def _by_output(self, value: Any) -> dict[str, Any]:
        """What a step came out with, by output: a dict where it declares several."""
        if not self.step.outputs:
            return {"result": value}
        names = list(self.step.outputs)
        placed = {name: self.root / found.path for name, found in self.step.outputs.items() if found.path is not None}
        if isinstance(value, Mapping) and (len(names) > 1 or set(value) == set(names)):
            found = {**placed, **value}
        elif value is None and placed:
            found = dict(placed)
        elif len(names) == 1:
            found = {names[0]: value}
        else:
            raise NotStorable(f"It returned {described(value)}: expected a dict with {', '.join(names)}.")
        missing = [name for name in names if name not in found]
        unknown = [str(name) for name in found if name not in self.step.outputs]
        if missing or unknown:
            told = [f"lacks {', '.join(missing)}"] if missing else []
            told += [f"has {', '.join(unknown)}, which the step does not declare"] if unknown else []
            raise NotStorable(f"What it returned {' and '.join(told)}: expected a dict with {', '.join(names)}.")
        return {name: found[name] for name in names}
