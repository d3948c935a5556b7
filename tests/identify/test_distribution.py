"""Which code is the user's, and how an installed distribution counts."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sysconfig
from pathlib import Path
from typing import Any

import pandas
import pytest
from child_processes import ChildProcesses

import odibi_assets
from odibi_assets.identify import distribution

OWN = Path(odibi_assets.__file__).parent
SITE = Path(sysconfig.get_paths()["purelib"])


@pytest.mark.parametrize(
    ("path", "first_party"),
    [
        (pandas.__file__, False),
        (os.__file__, False),
        (str(Path(os.__file__).parent / "json" / "__init__.py"), False),
        (str(OWN / "identify" / "key.py"), False),
        (str(OWN / "defs" / "flights" / "transforms.py"), True),
        (str(SITE / "dropped_in_by_hand.py"), True),
        ("/somewhere/else/helper.py", True),
        ("<frozen importlib._bootstrap>", False),
    ],
)
def test_a_file_is_the_users_unless_a_record_lists_it(path: str, first_party: bool) -> None:
    assert distribution.is_first_party(path) is first_party


@pytest.mark.parametrize(
    ("module", "owner"),
    [
        ("pandas", "pandas"),
        ("pandas.core.frame", "pandas"),
        ("yaml", "PyYAML"),
        ("_duckdb", "duckdb"),
        ("json", None),
        ("sys", None),
        ("no_such_module", None),
    ],
)
def test_a_module_belongs_to_the_distribution_that_brings_it(module: str, owner: str | None) -> None:
    assert distribution.owner_of_module(module) == owner


def test_a_distribution_counts_with_its_version_and_all_that_it_requires() -> None:
    found = distribution.identity("pandas")
    for name in ("pandas", "numpy", "python-dateutil", "six"):
        assert f"{name}=={importlib.metadata.version(name)}" in found
    assert found == tuple(sorted(found))


def test_the_spelling_of_a_name_does_not_count() -> None:
    assert distribution.identity("Python_DateUtil") == distribution.identity("python-dateutil")


def test_what_only_an_extra_requires_does_not_count() -> None:
    assert not any(pinned.startswith("pytest==") for pinned in distribution.identity("pandas"))


def install(folder: Path, *, record: str, direct: bool = False, version: str = "1.0") -> None:
    """A distribution `shoplib` as an installer leaves it."""
    info = folder / "shoplib-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (folder / "shoplib.py").write_text("VALUE = 1\n\n\ndef work(frame):\n    return frame\n")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: shoplib\nVersion: {version}\n")
    (info / "RECORD").write_text(record)
    if direct:
        (info / "direct_url.json").write_text(json.dumps({"url": "file:///src/shoplib", "dir_info": {}}))


RECORD = "shoplib.py,sha256=x,9\nshoplib-1.0.dist-info/METADATA,,\n"
EDITABLE_RECORD = "__editable__.shoplib.pth,,\nshoplib-1.0.dist-info/METADATA,,\n"


def seen(root: Path) -> Any:
    """How `shoplib` counts: is it the user's, its identity, the items of a step that calls it."""
    import importlib
    import sys

    from odibi_assets.identify import distribution, source_loader
    from odibi_assets.identify.fingerprint import fingerprint

    for cached in (distribution._owners, distribution._site_folders, distribution._distributions_by_module):
        cached.cache_clear()
    distribution.is_first_party.cache_clear()
    distribution.owner_of_module.cache_clear()
    sys.path.append(str(root / "site-packages"))
    source_loader.install()
    source_loader.put_on_path(root)
    module = importlib.import_module("steps")
    items = fingerprint(module.step, root).items
    return [
        distribution.is_first_party(sys.modules["shoplib"].__file__),
        distribution.identity("shoplib"),
        {name: str(item.digest) for name, item in items.items()},
    ]


@pytest.fixture
def project(root: Path) -> Path:
    (root / "steps.py").write_text("import shoplib\n\n\ndef step(frame):\n    return shoplib.work(frame)\n")
    return root


def test_an_installed_distribution_counts_by_its_version(children: ChildProcesses, project: Path) -> None:
    install(project / "site-packages", record=RECORD)
    first_party, identity, items = children.run(seen, project)
    assert (first_party, identity) == (False, ["shoplib==1.0"])
    assert "distribution shoplib" in items
    install(project / "site-packages", record=RECORD, version="1.1")
    assert children.run(seen, project)[2]["distribution shoplib"] != items["distribution shoplib"]


def test_one_from_a_local_path_counts_by_its_record_as_well(children: ChildProcesses, project: Path) -> None:
    install(project / "site-packages", record=RECORD, direct=True)
    _, (identity,), items = children.run(seen, project)
    assert identity.startswith("shoplib==1.0@b3:")
    install(project / "site-packages", record=RECORD.replace("sha256=x", "sha256=y"), direct=True)
    assert children.run(seen, project)[2]["distribution shoplib"] != items["distribution shoplib"]


def test_an_editable_install_is_the_users_own_code(children: ChildProcesses, project: Path) -> None:
    install(project / "site-packages", record=EDITABLE_RECORD, direct=True)
    first_party, _, items = children.run(seen, project)
    assert first_party
    assert "shoplib.work" in items
