"""Every command explains itself: what it does, what each option means, and an example that can be typed."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer.main
from generate.commands import every

from odibi_assets.cli.app import app, with_default_force

EVERY = dict(every())


def examples(command: Any) -> list[str]:
    return re.findall(r"Example: (oda .*)", command.help or "")


@pytest.mark.parametrize("name", EVERY)
def test_a_command_has_an_example_of_itself_that_parses(name: str) -> None:
    found = examples(EVERY[name])
    assert found
    for example in found:
        words = with_default_force(shlex.split(example)[1:])
        group: Any = typer.main.get_command(app)
        context = group.make_context("oda", words, resilient_parsing=False)
        path = []
        rest = words
        while hasattr(group, "commands"):
            own = rest[0]
            path.append(own)
            group = group.commands[own]
            rest = rest[1:]
        with group.make_context(own, list(rest), parent=context):
            assert " ".join(path) == name


@pytest.mark.parametrize("name", EVERY)
def test_a_command_says_what_its_arguments_and_options_mean(name: str) -> None:
    for param in EVERY[name].params:
        assert getattr(param, "help", None), f"oda {name}: {param.name} has no help"
