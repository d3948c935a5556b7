"""Shell completion, driven by the protocol that the installed scripts use."""

from __future__ import annotations

import pytest
from project_folder import ProjectFolder

from .shop import make_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, zygote: object) -> ProjectFolder:
    return make_shop(ProjectFolder(tmp_path_factory.mktemp("shop"), zygote))  # type: ignore[arg-type]


def offered(project: ProjectFolder, line: str) -> list[str]:
    """What bash is offered at the end of a line."""
    words = line.replace("oda", f"oda -C {project.root}", 1)
    project.env = {"_ODA_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    answer = project.complete()
    project.env = {}
    assert "Traceback" not in answer.text
    return answer.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("oda ru", ["run"]),
        ("oda run sh", ["shop"]),
        ("oda run shop --sk", ["--skip"]),
        ("oda run shop --select named", ["named_orders"]),
        ("oda run shop --select +to", ["+totals"]),
        ("oda run shop --select 2+s", ["2+summary"]),
        ("oda run shop --skip orders,+cu", ["orders,+customers"]),
        ("oda why pipe.yaml su", ["summary"]),
        ("oda show shop big", ["big_orders"]),
        ("oda graph shop --format m", ["mermaid"]),
        ("oda cache v", ["verify"]),
        ("oda accept shop big", ["big_orders"]),
        ("oda accept shop big_orders --dry", ["--dry-run"]),
        ("oda cache audit sh", ["shop"]),
        ("oda cache audit shop --s", ["--sample", "--seed"]),
        ("oda why shop summary --rec", ["--receipt"]),
        ("oda verif", ["verify"]),
        ("oda run nowhere --select ", []),
        ("oda resume 00000000", []),
    ],
)
def test_a_line_is_completed(shop: ProjectFolder, line: str, expected: list[str]) -> None:
    assert offered(shop, line) == expected


def test_runs_are_completed_by_their_ids(shop: ProjectFolder) -> None:
    run_id = shop.run("--select", "customers")["run_id"]
    assert offered(shop, f"oda logs {run_id[:4]}") == [run_id]
    assert offered(shop, f"oda resume {run_id[:4]}") == [run_id]


def test_a_project_that_can_not_be_read_offers_nothing(project: ProjectFolder) -> None:
    project.write("pipe.yaml", "steps: [")
    assert offered(project, "oda run pipe --select x") == []


def test_there_is_a_script_for_the_shell(shop: ProjectFolder) -> None:
    assert "_ODA_COMPLETE=complete_" in shop.oda("--show-completion").stdout
