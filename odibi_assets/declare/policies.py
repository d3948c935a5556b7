"""Policies say how a step is run; none of them is part of what a step computes."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Callable
from typing import Annotated, Any, Literal

from cronsim import CronSim, CronSimError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema


class Model(BaseModel):
    """A value declared by a user: immutable, and a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
TimeoutSeconds = Annotated[float, Field(gt=0, le=100_000_000, allow_inf_nan=False)]


class _WithKeyOn(Model):
    """A model with a field ``on``.

    Dagster reads the key ``on`` as true, as YAML 1.1 has it: its checks must take that; we read the file ourselves.
    """

    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    @model_validator(mode="before")
    @classmethod
    def _with_key_on(cls, data: object) -> object:
        return {"on" if key is True else key: value for key, value in data.items()} if isinstance(data, dict) else data


class Retry(_WithKeyOn):
    """How often, and after which wait, a step that failed for a transient reason is tried again.

    The waits grow as Dagster's ``RetryPolicy`` lets them grow.

    >>> [Retry(max_retries=3, delay=5, backoff="exponential").wait_s(attempt=n) for n in (1, 2, 3)]
    [5.0, 15.0, 35.0]
    >>> Retry(params={"seed": [42, 43, 44]}).max_retries
    2
    """

    max_retries: int = Field(
        0, ge=0, description="Tries after the first; unless given, as many as params has further values."
    )
    delay: Seconds = Field(0.0, description="Seconds before the second try.")
    backoff: Literal["constant", "linear", "exponential"] = Field(
        "constant", description="How the wait grows with each try."
    )
    jitter: Literal["none", "full", "plus_minus"] = Field(
        "none", description="none: exactly the wait; full: between 0 and it; plus_minus: around it."
    )
    max_delay: Seconds | None = Field(None, description="No wait is longer than this many seconds.")
    on_timeout: bool = Field(True, description="false: an attempt that its timeout stopped is the last.")
    on: Annotated[tuple[str | SkipJsonSchema[Callable[..., Any]], ...], Field(strict=False)] = Field(
        (),
        description="What else is transient: exception classes by name, as package.errors.Busy, and predicates, as "
        "package.module:is_busy, which take the exception and return a bool.",
    )
    params: dict[str, Annotated[tuple[Any, ...], Field(strict=False, min_length=1)]] = Field(
        {},
        description="Of a python step: param → its value in the first attempt, the second, and so on; the last one "
        "serves all further attempts. All values are part of the key.",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_attempt_for_each_value(cls, data: object) -> object:
        if not isinstance(data, dict) or "max_retries" in data or not isinstance(data.get("params"), dict):
            return data
        lengths = [len(values) for values in data["params"].values() if isinstance(values, (list, tuple))]
        return {**data, "max_retries": max(lengths, default=1) - 1} if any(lengths) else data

    @field_serializer("on", when_used="json")
    def _with_references(self, on: tuple[str | Callable[..., Any], ...]) -> list[str]:
        return [named if isinstance(named, str) else f"{named.__module__}:{named.__qualname__}" for named in on]

    def wait_s(self, *, attempt: int) -> float:
        """Seconds to wait after the given attempt (the first is 1) failed, before jitter."""
        factor = {"constant": 1, "linear": attempt, "exponential": 2**attempt - 1}[self.backoff]
        wait = float(self.delay * factor)
        return wait if self.max_delay is None else min(wait, self.max_delay)


_CRON_NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}


class Schedule(Model):
    """When Dagster's daemon runs a pipeline."""

    cron: str = Field(
        description="Five fields: minute, hour, day of month, month, day of week; or @daily and its like."
    )
    timezone: str = Field("UTC", description="An IANA name, as Europe/Vienna.")

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        fields = _CRON_NAMES.get(value, value)
        try:
            if len(fields.split()) != 5:
                raise CronSimError("another number of fields")
            CronSim(fields, datetime.datetime(2013, 1, 1))
        except CronSimError as error:
            raise ValueError("five fields of cron, as 0 6 * * *") from error
        return value

    @field_validator("timezone")
    @classmethod
    def _is_time_zone(cls, value: str) -> str:
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("an IANA time zone, as Europe/Vienna") from error
        return value


AlertEvent = Literal["step_failed", "step_absent", "run_failed", "recovered"]
_URL = re.compile(r"\s*(\{\{.*|[A-Za-z][A-Za-z0-9+.-]*://.+)", re.DOTALL)


class Alert(_WithKeyOn):
    """Where it is told that a run failed, or that the pipeline recovered."""

    url: SecretStr = Field(
        description="Any Apprise URL, as json://host/path. It is a secret: {{ env.NAME }} keeps it out of the file."
    )
    on: Annotated[tuple[AlertEvent, ...], Field(strict=False, min_length=1)] = Field(
        ("run_failed", "recovered"),
        description="step_failed: each step whose last try failed; step_absent: each optional step whose last try "
        "failed; run_failed: the run, with the step that caused it; recovered: the first success after a failed run.",
    )

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: SecretStr) -> SecretStr:
        if not _URL.fullmatch(value.get_secret_value()):
            raise ValueError("an Apprise URL, as json://host/path")
        return value


class Checkpoint(Model):
    """When the results of steps are committed and published."""

    mode: Literal["auto", "layer", "interval", "manual"] = Field(
        "auto",
        description="auto: each step as it finishes; layer: a layer's results together; interval: what is finished, "
        "every so many seconds; manual: where a step says checkpoint, and at the end of the run.",
    )
    seconds: TimeoutSeconds = Field(60.0, description="Of the mode interval: the time between two publications.")

    @model_validator(mode="after")
    def _has_seconds_only_where_they_count(self) -> Checkpoint:
        if "seconds" in self.model_fields_set and self.mode != "interval":
            raise ValueError(f"no seconds, since the mode is {self.mode}: they belong to the mode interval")
        return self


class Cache(Model):
    """Whether the pipeline's results are reused."""

    enabled: bool = Field(True, description="false: every step runs, every time.")


class Resume(Model):
    """How often a failed run may be taken up again."""

    max_attempts: int = Field(10, ge=1, description="Runs in one line of resumes, the first of them included.")

    def why_spent(self, attempts: int) -> str | None:
        """What a run that was tried so often is told; None if it may be tried again.

        >>> Resume(max_attempts=2).why_spent(1) is None
        True
        """
        if attempts < self.max_attempts:
            return None
        return (
            f"was tried {attempts} times, which is all that resume.max_attempts allows: mend the cause and start a new "
            "run, which reuses what had finished"
        )


class Retention(Model):
    """What ``oda cache gc`` keeps beside what is current, and beside what a run or transfer relies on."""

    results: int = Field(5, ge=0, description="The newest results of each step.")
    snapshots: int = Field(50, ge=1, description="The newest snapshots of each environment, with their results.")
    grace_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        7.0,
        description="Days for which everything stays: results since they were computed or current, and run records.",
    )


class StepCache(Model):
    """What a step declares about reads that can't be seen, so that it may be reused all the same."""

    source_version: str | None = Field(
        None, description="A name for the state of an outside source; another name runs the step again."
    )
    ttl: Seconds | None = Field(None, description="Seconds for which a result may be reused.")
    allow: tuple[Literal["network", "subprocess", "clock", "random", "process"], ...] = Field(
        (), description="Sources of difference that the step is known to be indifferent to.", strict=False
    )
