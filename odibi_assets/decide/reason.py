"""A reason is one sentence's worth of data on why a step runs, or need not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from odibi_assets.identify.item import Item
from odibi_assets.identify.key import SECTIONS, Key


@dataclass(frozen=True, slots=True)
class Reason:
    """Why.

    Attributes:
        kind: ``code``, ``params``, ``bindings``, ``files``, ``env``, ``engine``, ``settings``, ``outputs``,
            ``first``, ``revoked``, ``waits``, ``forced``, ``obstacle``, ``damaged``, ``trace``, ``expired``,
            ``finished``, ``shared``, ``skipped``, ``absent``, ``accepted``, ``same``.
        text: The sentence, without its place.
        place: ``file:line``.
    """

    kind: str
    text: str
    place: str | None = None

    def __str__(self) -> str:
        return f"{self.text} ({self.place})" if self.place else self.text


def differences(previous: Key, key: Key) -> Iterator[Reason]:
    """What is not the same in two keys of one step, each change as a reason.

    >>> from odibi_assets.identify.digest import Digest
    >>> def item(text): return {"limit": Item(Digest.of_struct("x", text), "param", shown=text)}
    >>> [str(reason) for reason in differences(Key("a", params=item("2")), Key("a", params=item("4")))]
    ['param limit changed 2 → 4']
    """
    if previous.step != key.step:
        yield Reason("code", f"the step was named {previous.step}")
    for section in SECTIONS:
        before: Mapping[str, Item] = getattr(previous, section)
        after: Mapping[str, Item] = getattr(key, section)
        for name in sorted(before.keys() | after.keys(), key=lambda name: (_rank(after.get(name)), name)):
            old, new = before.get(name), after.get(name)
            if old is None or new is None or old.digest != new.digest:
                yield _difference(section, name, old, new)


_RANK = {"function": 0, "value": 1, "helper": 2, "class": 2, "effect": 3, "module": 4, "distribution": 5}


def _rank(item: Item | None) -> int:
    return _RANK.get(item.kind, 6) if item is not None else 7


def _difference(section: str, name: str, old: Item | None, new: Item | None) -> Reason:
    item = new or old
    assert item is not None
    if section == "bindings":
        return _input_difference(name, old, new)
    subject = _subject(section, name, item)
    if old is None:
        return Reason(section, f"{subject} is new", item.place)
    if new is None:
        return Reason(section, f"{subject} is gone", item.place)
    if item.kind in ("value", "param", "option", "setting", "library", "distribution") and old.shown != new.shown:
        return Reason(section, f"{subject} changed {old.shown} → {new.shown}", item.place)
    return Reason(section, f"{subject} changed", item.place)


def _subject(section: str, name: str, item: Item) -> str:
    if section == "files":
        return f"file {item.shown or name}"
    if section == "env":
        return f"environment variable {name}"
    if section == "params":
        return f"param {name}"
    if item.kind == "machine":
        return f"the machine's {name.removeprefix('machine ')}"
    if item.kind == "sql":
        return "the SQL statement"
    if item.kind == "effect":
        return f"the top-level statement {item.shown!r}"
    if item.kind == "distribution":
        return name.removeprefix("distribution ")
    return name if item.kind in ("option", "setting", "library") else f"{item.kind} {name}"


def _input_difference(name: str, old: Item | None, new: Item | None) -> Reason:
    if old is None or new is None:
        return Reason("bindings", f"input {name} is {'new' if old is None else 'gone'}")
    before, after = old.detail or {}, new.detail or {}
    for here, there, text in ((new, old, "is absent"), (old, new, "was absent before")):
        if "version" not in (here.detail or {}) and "version" in (there.detail or {}):
            return Reason("bindings", f"input {name} {text}")
    parts = []
    if before.get("step") != after.get("step"):
        parts.append(f"step {before.get('step')} → {after.get('step')}")
    columns_before, columns_after = before.get("columns", {}), after.get("columns", {})
    changed = [column for column in columns_after if columns_before.get(column) != columns_after[column]]
    gone = [column for column in columns_before if column not in columns_after]
    if columns_before and changed:
        parts.append(f"column{'s' if len(changed) > 1 else ''} {_listed(changed)}")
    if gone:
        parts.append(f"without {_listed(gone)}")
    if before.get("row_count") != after.get("row_count"):
        parts.append(f"rows {before.get('row_count')} → {after.get('row_count')}")
    return Reason("bindings", f"input {name} changed" + (f": {'; '.join(parts)}" if parts else ""))


def _listed(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def sentence(reasons: tuple[Reason, ...], *, most: int = 3) -> str:
    """Reasons as one line."""
    more = f"; and {len(reasons) - most} more" if len(reasons) > most else ""
    return "; ".join(map(str, reasons[:most])) + more
