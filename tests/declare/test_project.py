"""A project is a folder: its store, its environment, the files that may declare a pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.declare.project import Project
from odibi_assets.errors import UsageError


def project(root: Path, **env: str) -> Project:
    return Project(root, env)


@pytest.mark.parametrize(
    ("variable", "yaml", "pyproject", "expected"),
    [
        (None, None, None, ".oda"),
        (None, None, "from_toml", "from_toml"),
        (None, "from_yaml", "from_toml", "from_yaml"),
        ("from_env", "from_yaml", "from_toml", "from_env"),
        ("", "from_yaml", None, "from_yaml"),
    ],
)
def test_the_store_is_the_variables_then_the_yamls_then_pyprojects(
    tmp_path: Path, variable: str | None, yaml: str | None, pyproject: str | None, expected: str
) -> None:
    if pyproject:
        (tmp_path / "pyproject.toml").write_text(f'[tool.odibi_assets]\nstore = "{pyproject}"\n')
    env = {} if variable is None else {"ODA_STORE": variable}
    assert project(tmp_path, **env).store_root(yaml) == tmp_path / expected


def test_an_absolute_store_stays_where_it_is(tmp_path: Path) -> None:
    assert project(tmp_path / "p", ODA_STORE=str(tmp_path / "s")).store_root(None) == tmp_path / "s"


@pytest.mark.parametrize(
    ("url", "scheme", "bucket", "prefix"),
    [
        ("s3://bucket/x", "s3", "bucket", "x"),
        ("s3://bucket/x/y/", "s3", "bucket", "x/y"),
        ("az://container", "az", "container", ""),
        ("gs://bucket/", "gs", "bucket", ""),
    ],
)
def test_a_url_names_a_bucket_and_a_prefix(tmp_path: Path, url: str, scheme: str, bucket: str, prefix: str) -> None:
    found = project(tmp_path).store_root(url)
    assert isinstance(found, BucketRoot)
    assert (found.scheme, found.bucket, found.prefix) == (scheme, bucket, prefix)
    assert found.url == url.rstrip("/")


def test_the_root_of_a_bucket_shows_no_variable(tmp_path: Path) -> None:
    assert "word" not in repr(project(tmp_path, AWS_SECRET_ACCESS_KEY="word").store_root("s3://bucket"))


@pytest.mark.parametrize(
    "url",
    ["s3:///x", "s3a://bucket", "file:///x", "s3://b/../x", "s3://b/x//y", "s3://u:p@b/x", "gs://b/x?y", "s3://b:80/x"],
)
def test_another_url_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="can't be used"):
        project(tmp_path).store_root(url)


@pytest.mark.parametrize("name", ["prod", "dev-ann", "feature_1", "v1.2"])
def test_an_environment_has_a_plain_name(tmp_path: Path, name: str) -> None:
    assert project(tmp_path, ODA_ENVIRONMENT=name).environment == name


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "a b", "..", "a\n"])
def test_an_environment_that_could_leave_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="ODA_ENVIRONMENT"):
        _ = project(tmp_path, ODA_ENVIRONMENT=name).environment


def test_without_a_variable_the_environment_is_default(tmp_path: Path) -> None:
    assert project(tmp_path).environment == project(tmp_path, ODA_ENVIRONMENT="").environment == "default"


def test_dagster_home_is_honoured_and_otherwise_the_projects(tmp_path: Path) -> None:
    assert project(tmp_path).dagster_home == tmp_path / "dagster_home"
    assert project(tmp_path, DAGSTER_HOME="/somewhere").dagster_home == Path("/somewhere")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        Project.at(tmp_path / "missing")


def test_a_broken_pyproject_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool\n")
    with pytest.raises(UsageError, match=r"pyproject\.toml can't be read"):
        _ = project(tmp_path).settings


def test_yaml_files_at_the_root_and_components_may_declare_pipelines(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "shop"\n')
    for name in ("shop/defs/b/defs.yaml", "shop/defs/a/defs.yaml", "shop/defs/a/other.yaml", "pipe.yaml", "b.yml",
                 "workspace.yaml", "dagster.yaml", ".hidden.yaml", "data/x.yaml"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = project(tmp_path)
    assert [found.shown(path) for path in found.candidates()] == [
        "shop/defs/a/defs.yaml", "shop/defs/b/defs.yaml", "b.yml", "pipe.yaml",
    ]  # fmt: skip


def test_a_project_does_not_show_its_environment() -> None:
    assert "hunter2" not in repr(Project(Path("/p"), {"PASSWORD": "hunter2"}))
