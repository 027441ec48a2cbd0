"""A cache of what was loaded from files, bounded by the bytes of the files."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _Entry(Generic[T]):
    version: Hashable
    bytes: int
    value: T


class Loaded(Generic[T]):
    """Keeps what was used last, up to a number of bytes; the newest is kept even if it has more.

    >>> loaded: Loaded[str] = Loaded()
    >>> loaded.get("a", 1, 60, 100, lambda: "first"), loaded.get("a", 1, 60, 100, lambda: "second")
    ('first', 'first')
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry[T]] = {}  # the most recently used is the last

    def get(self, name: str, version: Hashable, size: int, max_bytes: float, load: Callable[[], T]) -> T:
        """The value loaded under a name, or loaded now, after the values that must go for it have gone.

        Args:
            name: of the file.
            version: of the file; another one is loaded again.
            size: of the file, in bytes.
            max_bytes: of all files.
            load: loads it.
        """
        entry = self._entries.pop(name, None)
        if entry is None or entry.version != version:
            entry = None  # freed before the new version is loaded
            self._make_room(max_bytes - size)
            entry = _Entry(version, size, load())
        self._entries[name] = entry
        return entry.value

    def _make_room(self, max_bytes: float) -> None:
        while self._entries and sum(entry.bytes for entry in self._entries.values()) > max_bytes:
            del self._entries[next(iter(self._entries))]
