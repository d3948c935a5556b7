"""An input names what a step takes: a step, or one output of a step."""

from __future__ import annotations

from typing import NamedTuple


class Input(NamedTuple):
    """A step, or one output of it.

    >>> Input.parse("train.model"), str(Input.parse("features"))
    (Input(step='train', output='model'), 'features')
    """

    step: str
    output: str | None = None

    @classmethod
    def parse(cls, text: str) -> Input:
        step, dot, output = text.partition(".")
        return cls(step, output if dot else None)

    def __str__(self) -> str:
        return self.step if self.output is None else f"{self.step}.{self.output}"
