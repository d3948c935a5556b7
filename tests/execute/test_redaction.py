"""Secrets do not leave a step."""

from __future__ import annotations

from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.step import Step
from odibi_assets.execute.redaction import redacted, secret_values


def test_every_templated_variable_is_a_secret() -> None:
    step = Step(
        name="a",
        layer="bronze",
        python="m:f",
        params={"token": {"secret": "{{ env.TOKEN }}"}, "url": "x{{ env.HOST }}y"},
    )
    pipeline = Pipeline(name="p", steps=(step,))
    env = {"TOKEN": "s3cret-token", "HOST": "host.internal", "OTHER": "not-taken"}
    assert set(secret_values(pipeline, env)) == {"s3cret-token", "host.internal"}


def test_the_longest_secret_is_replaced_first() -> None:
    assert redacted("abcdef and abcd", ("abcdef", "abcd")) == "*** and ***"
