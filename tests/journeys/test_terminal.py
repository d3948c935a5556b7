"""What a user sees on a terminal, while a run goes on and after it, and what is left of it in a pipe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from project_folder import ProjectFolder
from terminal import Terminal

from .shop import STEPS, make_shop

COLOUR = re.compile(rb"\x1b\[[0-9;]*[34][0-9][0-9;]*m")


@pytest.fixture
def shop(project: ProjectFolder) -> ProjectFolder:
    """A shop whose silver step waits for the file `go`."""
    make_shop(project)
    project.edit("transforms.py", "import rules", "import time\n\nimport rules")
    project.edit(
        "transforms.py",
        "    return orders[rules",
        "    print('hello from the step', flush=True)\n"
        "    while not pathlib.Path('go').exists():\n        time.sleep(0.05)\n    return orders[rules",
    )
    return project


Run = Callable[..., Terminal]


@pytest.fixture
def run(shop: ProjectFolder) -> Iterator[Run]:
    """Runs the shop on a terminal; variables are named arguments."""
    opened: list[Terminal] = []

    def start(**env: str) -> Terminal:
        home = {"DAGSTER_HOME": str(shop.root / "dagster_home")}
        opened.append(Terminal(["-C", str(shop.root), "run", "pipe.yaml"], {**home, **env}))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def test_a_run_shows_a_tree_by_layer_and_ends_with_a_table(shop: ProjectFolder, run: Run) -> None:
    terminal = run()
    during = terminal.wait_for(lambda screen: "computing" in screen and "hello" in screen)
    lines = [" ".join(line.split()) for line in during.splitlines()]
    assert lines[0] == "hello from the step"
    assert re.match(r"shop .* 2/6 steps, \d+\.\d s", lines[1])
    bronze, silver, gold = (
        next(i for i, line in enumerate(lines) if layer in line) for layer in ("bronze", "silver", "gold")
    )
    assert bronze < silver < gold
    assert "bronze 2/2" in lines[bronze]
    assert any(re.fullmatch(r"✓ orders computed 4 rows \d+\.\d s", line) for line in lines[bronze:silver])
    assert any(re.fullmatch(r". big_orders computing \d+\.\d s", line) for line in lines[silver:gold])
    assert "· summary waits" in lines[gold:]
    assert COLOUR.search(terminal.received)
    shop.write("go", "")
    assert terminal.wait() == 0
    assert "shop: success" in terminal.text
    assert re.search(r"Slowest: \w+ \d+\.\d\d s, \w+ \d+\.\d\d s, \w+ \d+\.\d\d s\.", terminal.text)
    assert "computing" not in terminal.text
    assert terminal.text.splitlines().count("hello from the step") == 1
    assert [line.split()[0] for line in terminal.text.splitlines() if "no result yet" in line] == list(STEPS)


def test_a_second_run_says_how_long_it_will_take_and_what_reuse_spared(shop: ProjectFolder, run: Run) -> None:
    shop.write("go", "")
    shop.run()
    (shop.root / "go").unlink()
    shop.edit("rules.py", "return minimum", "return minimum + 1")
    terminal = run(NO_COLOR="1")
    during = terminal.wait_for(lambda screen: "computing" in screen and "left" in screen)
    assert re.search(r"2/6 steps, \d+\.\d s, about \d+\.\d s left", during)
    assert re.search(r"✓\s+orders\s+cached\s+4 rows", during)
    shop.write("go", "")
    assert terminal.wait() == 0
    assert re.search(r"Reuse spared \d+\.\d s of work and \d+\.\d kB of results\.", terminal.text)
    assert not COLOUR.search(terminal.received)


def test_a_pipe_gets_plain_lines_without_colours(shop: ProjectFolder) -> None:
    shop.write("go", "")
    answer = shop.oda("run", "pipe.yaml")
    assert "\x1b" not in answer.text
    assert answer.stdout.splitlines()[:2] == [" computed  orders", " computed  customers"]
    assert "computing" not in answer.stdout


def test_a_step_with_several_outputs_is_one_line(project: ProjectFolder) -> None:
    project.write(
        "pair.py",
        """
        import odibi_assets as oda

        pair = oda.Pipeline("pair")


        @pair.step(layer="bronze", outputs={"left": {"format": "json"}, "right": {"format": "json"}})
        def both():
            return {"left": 1, "right": 2}
        """,
    )
    assert project.oda("run", "pair.py:pair").stdout.count(" computed  both") == 1


def test_a_dumb_terminal_gets_plain_lines(shop: ProjectFolder, run: Run) -> None:
    shop.write("go", "")
    terminal = run(TERM="dumb")
    assert terminal.wait() == 0
    assert b"\x1b" not in terminal.received
    assert b" computed  orders" in terminal.received
