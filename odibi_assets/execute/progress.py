"""What a run tells while it goes on; this one listens to nothing."""

from __future__ import annotations

from collections.abc import Mapping

from odibi_assets.decide.plan import Plan


class Progress:
    """Told of a plan, then of its steps, from any thread."""

    def planned(self, plan: Plan, steps: tuple[str, ...], *, earlier_s: Mapping[str, float], workers: int) -> None:
        """The run begins.

        Args:
            steps: Those that it executes; the others are reused or skipped already.
            earlier_s: Step → seconds that its last result took, where there is one.
        """

    def step(self, name: str, what: str, *, rows: int | None = None, why: str = "") -> None:
        """Something happens to a step.

        Args:
            what: ``running``, ``retrying``, an outcome, or a phase: ``reading``, ``computing``, ``committing``,
                ``committed``.
            why: It is tried again: the error, and the wait.
        """

    def moved(self, name: str, how: str, done_bytes: int, total_bytes: int) -> None:
        """Data of a step were moved.

        Args:
            how: ``read``, ``fetched``, ``encoded`` or ``sent``.
        """
