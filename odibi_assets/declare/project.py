"""A project is a folder: what it holds, where its store and its Dagster home are."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.errors import UsageError

STORE_VARIABLE, ENVIRONMENT_VARIABLE = "ODA_STORE", "ODA_ENVIRONMENT"
DEFAULT_STORE = ".oda"
_NOT_PIPELINES = frozenset({"workspace.yaml", "dagster.yaml", "dagster_cloud.yaml", "mkdocs.yml", "docker-compose.yml"})


@dataclass(frozen=True)
class Project:
    """The folder that paths in a pipeline start at.

    Attributes:
        root: Absolute path.
        env: The process's environment.
    """

    root: Path
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    @classmethod
    def at(cls, folder: str | Path) -> Project:
        """The project at a folder.

        Raises:
            UsageError: There is no such folder.
        """
        root = Path(folder).expanduser().absolute()
        if not root.is_dir():
            raise UsageError(f"The project folder {root} does not exist: expected a folder with a pipeline in it.")
        return cls(root)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The ``[tool]`` tables of pyproject.toml, if there is one."""
        path = self.root / "pyproject.toml"
        if not path.is_file():
            return {}
        try:
            tool = tomllib.loads(path.read_text()).get("tool", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} can't be read: {error}.") from error
        return tool if isinstance(tool, dict) else {}

    @property
    def environment(self) -> str:
        """The line of snapshots that runs move."""
        name = self.env.get(ENVIRONMENT_VARIABLE) or "default"
        if not all(character.isalnum() or character in "-_." for character in name) or name.startswith("."):
            raise UsageError(f"{ENVIRONMENT_VARIABLE} is {name!r}: expected letters, digits, '-', '_' and '.'.")
        return name

    def store_root(self, declared: str | None) -> Path | BucketRoot:
        """Where results live: ODA_STORE, else the YAML's ``store``, else pyproject's, else ``.oda``.

        Raises:
            UsageError: It is a URL, and not one of a bucket.
        """
        own = self.settings.get("odibi_assets", {}).get("store")
        url = self.env.get(STORE_VARIABLE) or declared or own or DEFAULT_STORE
        if "://" in url:
            return BucketRoot.of(url, local=self.local / "buckets", spool=self.spool, env=self.env)
        return self.root / Path(url).expanduser()

    @property
    def local(self) -> Path:
        """Derived files of this machine, safe to delete: witness, file digests, copies of what lies in a bucket."""
        return self.root / DEFAULT_STORE / "local"

    @property
    def spool(self) -> Path:
        """What waits to be uploaded to a bucket that was away; not safe to delete."""
        return self.root / DEFAULT_STORE / "spool"

    @property
    def dagster_home(self) -> Path:
        """``$DAGSTER_HOME``, else the project's own."""
        home = self.env.get("DAGSTER_HOME")
        return Path(home).expanduser().absolute() if home else self.root / "dagster_home"

    @cached_property
    def defs_folder(self) -> Path | None:
        """The folder of components, where the project is a Dagster one."""
        module = self.settings.get("dg", {}).get("project", {}).get("root_module")
        folder = self.root / module.replace(".", "/") / "defs" if module else None
        return folder if folder is not None and folder.is_dir() else None

    def candidates(self) -> list[Path]:
        """YAML files that may declare a pipeline: components, and files at the root."""
        found = sorted(self.defs_folder.rglob("defs.yaml")) if self.defs_folder else []
        own = sorted([*self.root.glob("*.yaml"), *self.root.glob("*.yml")])
        return [*found, *(path for path in own if path.name not in _NOT_PIPELINES and not path.name.startswith("."))]

    def shown(self, path: Path) -> str:
        """A path as messages show it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)
