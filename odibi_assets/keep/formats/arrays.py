"""NumPy arrays: one, or a mapping of names to arrays, each in NumPy's own file format."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from odibi_assets.errors import DamagedObject, NotStorable
from odibi_assets.identify.digest import Digest
from odibi_assets.keep.formats.kept import Kept, new_path, put_bytes
from odibi_assets.keep.formats.plain import described
from odibi_assets.keep.result import Blob, Output
from odibi_assets.keep.results import Results

_ALONE = ""


class ArraysFormat:
    """Arrays by name; one array alone has the empty name.

    The first blob lists the names in order, the others are the ``.npy`` files.
    """

    name = "numpy"

    def settle(self, value: Any, *, shared: bool, folder: Path) -> Kept:
        import numpy as np

        if isinstance(value, np.ndarray):
            arrays = {_ALONE: value}
        elif isinstance(value, Mapping) and value and all(isinstance(name, str) and name for name in value):
            arrays = dict(value)
        else:
            raise NotStorable(
                f"It returned {described(value)}: expected a numpy.ndarray, or a mapping of names to arrays."
            )
        return self._kept({name: _settled(name, array) for name, array in arrays.items()})

    def write(self, kept: Kept, results: Results) -> tuple[Blob, ...]:
        names = json.dumps(list(kept.value)).encode()
        return (put_bytes(names, results), *(put_bytes(_encoded(array), results) for array in kept.value.values()))

    def read(self, output: Output, results: Results) -> Kept:
        import numpy as np

        names = json.loads(results.open_blob(output.blobs[0]).read_bytes())
        arrays = {}
        for name, blob in zip(names, output.blobs[1:], strict=True):
            array = np.load(results.open_blob(blob), allow_pickle=False)
            array.flags.writeable = False
            arrays[name] = (array, blob.digest)
        kept = self._kept(arrays)
        if kept.version != output.version:
            raise DamagedObject("The stored arrays of an output are not what its record says.")
        return kept

    def hand_over(self, kept: Kept, folder: Path) -> Any:
        copies = {name: array.copy() for name, array in kept.value.items()}
        return copies[_ALONE] if list(copies) == [_ALONE] else copies

    def as_path(self, kept: Kept, folder: Path) -> Path:
        """An ``.npy`` file, or an ``.npz`` archive of several."""
        import numpy as np

        if list(kept.value) == [_ALONE]:
            path = new_path(folder, ".npy")
            np.save(path, kept.value[_ALONE], allow_pickle=False)
        else:
            path = new_path(folder, ".npz")
            np.savez(path, **kept.value)
        return path

    def _kept(self, found: Mapping[str, tuple[Any, Digest]]) -> Kept:
        """
        Args:
            found: Name → array, and the digest of its file.
        """
        arrays = {name: array for name, (array, _) in found.items()}
        parts = [(name, digest) for name, (_, digest) in found.items()]
        size = sum(array.nbytes for array in arrays.values())
        return Kept(self.name, arrays, Digest.of_struct("numpy", parts), size)


def _settled(name: str, array: Any) -> tuple[Any, Digest]:
    """The array as its file gives it back, frozen, and the digest of the file."""
    import numpy as np

    label = f"The array {name!r}" if name else "The array"
    if type(array) is not np.ndarray:
        raise NotStorable(f"{label} is {described(array)}: expected a plain numpy.ndarray.")
    if array.dtype.hasobject:
        raise NotStorable(f"{label} holds Python objects (dtype {array.dtype}): give it numbers, times or text.")
    encoded = _encoded(array)
    back = np.load(io.BytesIO(encoded), allow_pickle=False)
    if back.dtype != array.dtype:
        raise NotStorable(f"{label} of dtype {array.dtype} comes back as {back.dtype}: convert it before.")
    back.flags.writeable = False
    return back, Digest.of_bytes(encoded)


def _encoded(array: Any) -> bytes:
    import numpy as np

    sink = io.BytesIO()
    np.save(sink, array, allow_pickle=False)
    return sink.getvalue()
