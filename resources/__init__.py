"""What this deployment binds: resource key → object, for the project that a process serves.

Short and without logic: the classes live in the library, `odibi_assets.definitions` alone imports
this package, and it is not part of the wheel. Without it the library's defaults hold.
"""

from __future__ import annotations

from odibi_assets.declare.project import Project
from odibi_assets.orchestrate.io_manager import step_io_manager
from odibi_assets.orchestrate.names import IO_MANAGER_KEY


def bindings(project: Project) -> dict[str, object]:
    """The resources of this deployment."""
    return {IO_MANAGER_KEY: step_io_manager(project.root)}
