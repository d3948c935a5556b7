"""Undoing one step: its function is called with what is known of the step, and may raise anything."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from odibi_assets.declare.step import Step, secret_template
from odibi_assets.declare.template import fill_env
from odibi_assets.execute.recording import error_text
from odibi_assets.execute.redaction import RedactingLog, redacted, redacting
from odibi_assets.identify.observing import unobserved
from odibi_assets.keep.effects import Effect
from odibi_assets.keep.formats.known import FORMATS, read_output
from odibi_assets.keep.result import Result
from odibi_assets.keep.results import Results
from odibi_assets.keep.run_record import Undone

MOST_STARTS = 3
"""An undo whose process ended so often before it did is not begun again."""


@dataclass(frozen=True)
class UndoContext:
    """What the function behind ``rollback:`` receives.

    Attributes:
        run_id: The run that is undone.
        params: The step's params, filled in.
        effect: ``done``: the step had computed. ``unknown``: it raised or was killed in between, or an earlier call
            of this function was; then look before you undo.
        log: Secrets in what it is told are replaced.

    Example::

        import odibi_assets as oda

        def take_back(context: oda.UndoContext) -> None:
            sent = context.result["sent"] if context.result is not None else "nobody knows how many"
            context.log.info("Taking back %s rows of run %s", sent, context.run_id)
    """

    pipeline: str
    step: str
    run_id: str
    params: Mapping[str, Any]
    effect: Literal["done", "unknown"]
    log: logging.Logger | logging.LoggerAdapter[logging.Logger]
    _load: Callable[[], Any] = field(repr=False)

    @cached_property
    def result(self) -> Any:
        """What the step came to: a frame as ``pandas.DataFrame``, another value as it was returned; None if nothing
        was stored. A dict of them where the step has several outputs.
        """
        return self._load()


@dataclass(frozen=True)
class Undo:
    """The undo of one step of one run.

    Attributes:
        function: None where nothing leads to it any more.
        step: As declared now; None where it is gone.
        folder: For the files of a result that is a file.
    """

    effect: Effect
    function: Callable[..., Any] | None
    step: Step | None
    result: Result | None
    results: Results
    folder: Path
    env: Mapping[str, str]
    secrets: tuple[str, ...]

    @property
    def known(self) -> Literal["done", "unknown"]:
        """What is known of the side effect."""
        return "done" if self.effect.done_at is not None and not self.effect.starts else "unknown"

    def run(self, *, pipeline: str, run_id: str, log: logging.Logger) -> Undone:
        """Call it; what it raises is part of what came of it."""
        if self.effect.starts >= MOST_STARTS:
            return self._failed(f"its undo was begun {self.effect.starts} times, and its process ended each time")
        if self.function is None:
            return self._failed(f"there is no function {self.effect.undo or 'that is named'}, which undoes it")
        try:
            with unobserved(), redacting(self.secrets):
                context = UndoContext(
                    pipeline,
                    self.effect.step,
                    run_id,
                    self._params(),
                    self.known,
                    RedactingLog(log, self.secrets),
                    self._value,
                )
                self.function(context)
        except (Exception, SystemExit) as error:  # the user's code; an interrupt passes
            return self._failed(redacted(error_text(error), self.secrets))
        return Undone(self.effect.step, self.known)

    def _failed(self, why: str) -> Undone:
        return Undone(self.effect.step, self.known, why)

    def _params(self) -> dict[str, Any]:
        declared = self.step.params if self.step is not None else {}
        return dict(fill_env({name: secret_template(value) or value for name, value in declared.items()}, self.env))

    def _value(self) -> Any:
        if self.result is None:
            return None
        values = {}
        for name, output in self.result.outputs.items():
            kept = read_output(output, self.results)
            value = FORMATS[kept.format].hand_over(kept, self.folder)
            values[name] = value.to_pandas() if kept.format == "parquet" else value
        return values if len(values) > 1 else next(iter(values.values()))
