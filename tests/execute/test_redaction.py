"""Secrets do not leave a step."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest

from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.step import Step
from odibi_assets.execute.redaction import redacted, redacting, secret_values


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


def test_what_code_prints_or_logs_holds_no_secret(capsys: pytest.CaptureFixture[str], caplog: Any) -> None:
    with redacting(("s3cret",)):
        print("a s3cret", end="")
        sys.stderr.writelines(["b s3cret\n"])
        logging.getLogger("theirs").warning("c %s %d", "s3cret", 7)
        logging.getLogger("theirs").warning("d %s", "plain")
    print("after: s3cret")
    found = capsys.readouterr()
    assert found.out == "a ***after: s3cret\n"
    assert "b ***\n" in found.err
    assert caplog.messages == ["c *** 7", "d plain"]
