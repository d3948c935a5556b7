"""Files that are no step's inputs: the interpreter's, a distribution's, the system's."""

from __future__ import annotations

import functools
import os
import site
import sys
import sysconfig
import types

from odibi_assets.identify.observing import unobserved


@functools.cache
def uncounted_folders() -> tuple[str, ...]:
    """Folders of the interpreter, of distributions and of the system, each with a separator at its end.

    Not all that lies below the interpreter's prefix: that may be ``/usr``, with projects in ``/usr/src``.
    """
    with unobserved():  # whoever is observed meanwhile asked for none of this
        paths = sysconfig.get_paths()
        folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "include")}
        folders |= {*site.getsitepackages(), site.getusersitepackages()}
        folders |= {entry for entry in sys.path if os.path.basename(entry) in ("site-packages", "dist-packages")}
        if sys.prefix != sys.base_prefix:
            folders.add(sys.prefix)
        if sys.base_prefix not in ("/usr", "/usr/local"):
            folders |= {
                os.path.join(sys.base_prefix, name) for name in ("bin", "etc", "include", "lib", "share", "ssl")
            }
        folders |= {os.path.realpath(folder) for folder in folders}
    folders |= {"/proc", "/dev", "/sys", "/etc", "/usr/lib"}
    folders |= {f"/usr/share/{name}" for name in ("zoneinfo", "locale", "mime", "fonts")}
    return tuple(folder.rstrip(os.sep) + os.sep for folder in folders)


_OF_THE_SYSTEM = frozenset(
    """localtime timezone passwd group nsswitch.conf hosts host.conf resolv.conf gai.conf services protocols
    ld.so.cache os-release lsb-release""".split()
)
_FOLDERS_OF_THE_SYSTEM = ("ssl/", "pki/", "ca-certificates", "fonts/", "alternatives/", "python")


def is_the_systems(text: str) -> bool:
    """Is a file below ``/etc`` one that libraries read on their own account, and no step for its data?"""
    name = text.removeprefix("/etc/")
    return name in _OF_THE_SYSTEM or name.startswith(_FOLDERS_OF_THE_SYSTEM) or name.endswith("mime.types")


def read_by_a_library() -> bool:
    """Is the code that reads something now the interpreter's or a distribution's?"""
    frame = _asking_frame()
    while frame is not None and frame.f_code.co_filename.startswith("<frozen"):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(uncounted_folders())


def listed_by_a_library() -> bool:
    """Does ``os.walk``, ``glob`` or the like list a folder now, which take names and kinds only?"""
    frame = _asking_frame()
    return frame is not None and frame.f_code.co_filename.startswith(("<frozen", *uncounted_folders()))


def started_by_a_library() -> bool:
    """Does a library start a program now, on its own account?"""
    frame = _asking_frame()
    while frame is not None and frame.f_code.co_filename == SUBPROCESS:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(uncounted_folders())


def _asking_frame() -> types.FrameType | None:
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_THIS_ROOM):
        frame = frame.f_back
    return frame


SUBPROCESS = os.path.join(os.path.dirname(os.__file__), "subprocess.py")
_THIS_ROOM = os.path.dirname(__file__) + os.sep
