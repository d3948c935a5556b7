"""The bytes that run are the bytes that are identified."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from child_processes import ChildProcesses


def loaded(root: Path, name: str = "helper") -> Any:
    """Import through our loader: what the module says, the bytes remembered, what lies beside it."""
    import importlib

    from odibi_assets.identify import source_loader

    source_loader.install()
    source_loader.put_on_path(root)
    module = importlib.import_module(name)
    source = source_loader.source_of(module)
    return [module.VALUE, source and source.data.decode("latin-1"), type(module.__loader__).__name__]


def plainly(root: Path) -> str:
    """What Python's own loader gives."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import helper; print(helper.VALUE)"
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_stale_bytecode_is_not_run(children: ChildProcesses, root: Path) -> None:
    path = root / "helper.py"
    path.write_text("VALUE = 1\n")
    before = path.stat()
    py_compile.compile(str(path))
    path.write_text("VALUE = 2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert plainly(root) == "1"  # Python itself is fooled
    assert children.run(loaded, root) == [2, "VALUE = 2\n", "SourceLoader"]


def test_bytecode_that_claims_to_need_no_check_is_not_run(children: ChildProcesses, root: Path) -> None:
    (root / "helper.py").write_text("VALUE = 1\n")
    py_compile.compile(str(root / "helper.py"), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    (root / "helper.py").write_text("VALUE = 22\n")
    assert plainly(root) == "1"
    assert children.run(loaded, root)[0] == 22


def test_a_fingerprint_after_a_stale_edit_is_that_of_the_new_code(children: ChildProcesses, root: Path) -> None:
    def fingerprinted(root: Path) -> Any:
        import importlib

        from odibi_assets.identify import source_loader
        from odibi_assets.identify.fingerprint import fingerprint

        source_loader.install()
        source_loader.put_on_path(root)
        module = importlib.import_module("helper")
        return [module.step(), {name: str(item.digest) for name, item in fingerprint(module.step, root).items.items()}]

    path = root / "helper.py"
    path.write_text("def step():\n    return 1\n")
    before = path.stat()
    py_compile.compile(str(path))
    value, one = children.run(fingerprinted, root)
    path.write_text("def step():\n    return 2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    other_value, other = children.run(fingerprinted, root)
    assert (value, other_value) == (1, 2)
    assert one["helper.step"] != other["helper.step"]


def test_no_bytecode_is_written_beside_the_users_files(children: ChildProcesses, root: Path) -> None:
    (root / "helper.py").write_text("VALUE = 1\n")
    children.run(loaded, root)
    assert sorted(path.name for path in root.iterdir()) == ["helper.py"]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"# -*- coding: latin-1 -*-\nVALUE = '\xe9'\n", "é"),
        ("VALUE = 'é'\n".encode(), "é"),
        (b"\xef\xbb\xbfVALUE = 'x'\r\n", "x"),
        (b"VALUE = __name__", "helper"),
    ],
)
def test_files_are_read_as_python_reads_them(children: ChildProcesses, root: Path, data: bytes, value: str) -> None:
    (root / "helper.py").write_bytes(data)
    assert children.run(loaded, root) == [value, data.decode("latin-1"), "SourceLoader"]


def test_packages_and_their_modules_are_loaded_so_too(children: ChildProcesses, root: Path) -> None:
    (root / "shop").mkdir()
    (root / "shop" / "__init__.py").write_text("VALUE = 0\n")
    (root / "shop" / "rules.py").write_text("from . import VALUE\nVALUE += 1\n")
    assert children.run(loaded, root, "shop")[2] == "SourceLoader"
    assert children.run(loaded, root, "shop.rules")[::2] == [1, "SourceLoader"]


def test_a_namespace_package_works_and_its_modules_are_the_users(children: ChildProcesses, root: Path) -> None:
    (root / "space").mkdir()
    (root / "space" / "rules.py").write_text("VALUE = 1\n")
    assert children.run(loaded, root, "space.rules")[::2] == [1, "SourceLoader"]


def test_what_a_finder_of_an_editable_install_leads_to_is_loaded_so_too(children: ChildProcesses, root: Path) -> None:
    def found(root: Path) -> Any:
        import importlib.util
        import sys

        from odibi_assets.identify import source_loader

        class Finder:  # as setuptools writes one
            @classmethod
            def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Any:
                file = str(root / "src" / "helper.py")
                return importlib.util.spec_from_file_location(name, file) if name == "helper" else None

        sys.meta_path.append(Finder)
        source_loader.install()
        import helper

        return [helper.VALUE, type(helper.__loader__).__name__]

    path = root / "src" / "helper.py"
    path.parent.mkdir()
    path.write_text("VALUE = 1\n")
    py_compile.compile(str(path), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    path.write_text("VALUE = 2\n")
    assert children.run(found, root) == [2, "SourceLoader"]


def test_installed_distributions_are_left_to_python(children: ChildProcesses, root: Path) -> None:
    def colours(root: Path) -> Any:
        import sys

        from odibi_assets.identify import source_loader

        for name in [name for name in sys.modules if name.partition(".")[0] in ("packaging", "colorsys")]:
            del sys.modules[name]
        source_loader.install()
        import colorsys

        import packaging

        return [type(colorsys.__loader__).__name__, type(packaging.__loader__).__name__]

    assert children.run(colours, root) == ["SourceFileLoader", "SourceFileLoader"]


def test_an_edit_after_the_load_is_noticed(children: ChildProcesses, root: Path) -> None:
    def changed(root: Path) -> Any:
        import importlib
        import os

        from odibi_assets.identify import source_loader

        source_loader.install()
        source_loader.put_on_path(root)
        path = root / "helper.py"
        importlib.import_module("helper")
        importlib.import_module("other")
        found = [list(source_loader.changed_since_load())]
        before = path.stat()
        path.write_text("VALUE = 2\n")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        found.append([Path(name).name for name in source_loader.changed_since_load()])
        path.write_text("VALUE = 1\n")
        found.append(list(source_loader.changed_since_load()))
        (root / "other.py").unlink()
        found.append([Path(name).name for name in source_loader.changed_since_load()])
        return found

    (root / "helper.py").write_text("VALUE = 1\n")
    (root / "other.py").write_text("VALUE = 1\n")
    assert children.run(changed, root) == [[], ["helper.py"], [], ["other.py"]]


def test_the_first_folder_put_on_the_path_comes_first(children: ChildProcesses, root: Path) -> None:
    def path(root: Path) -> Any:
        import sys

        from odibi_assets.identify import source_loader

        sys.path.append(str(root))
        source_loader.put_on_path(root / "flows", root)
        source_loader.put_on_path(root / "flows", root)
        return [entry for entry in sys.path if entry.startswith(str(root))]

    assert children.run(path, root) == [str(root / "flows"), str(root)]


def test_a_module_that_another_loader_loaded_has_a_source(children: ChildProcesses, root: Path) -> None:
    def source(root: Path) -> Any:
        import importlib
        import sys

        from odibi_assets.identify import source_loader

        sys.path.insert(0, str(root))
        found = source_loader.source_of(importlib.import_module("helper"))
        return [found and found.data.decode(), source_loader.source_of(sys)]

    (root / "helper.py").write_text("VALUE = 1\n")
    assert children.run(source, root) == ["VALUE = 1\n", None]


def test_what_was_loaded_before_keeps_the_source_that_it_had_when_the_loader_came(
    children: ChildProcesses, root: Path
) -> None:
    def source(root: Path) -> Any:
        import importlib
        import sys

        import odibi_assets

        sys.path.insert(0, str(root))
        module = importlib.import_module("helper")
        odibi_assets.Pipeline("shop")
        (root / "helper.py").write_text("VALUE = 22\n")
        from odibi_assets.identify import source_loader

        before = source_loader.source_of(module)
        after = source_loader.source_of(importlib.reload(module))
        return [found and found.data.decode() for found in (before, after)]

    (root / "helper.py").write_text("VALUE = 1\n")
    assert children.run(source, root) == ["VALUE = 1\n", "VALUE = 22\n"]
