"""Photos that pages have open, kept in memory for a while, so that each is sent once and not with every request.

Nothing else is kept, and nothing on the disk. A photo's id cannot be guessed; whoever has it can do with the photo what
whoever sent it can.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from onar.errors import OnarError

MAX_PHOTOS = 256
"""Most photos, however small they are."""
_ID_BYTES = 24


class PhotoGoneError(OnarError):
    """A photo is no longer kept, or never was; whoever has it can send it again."""


@dataclass
class _Kept:
    content: bytes
    end: asyncio.TimerHandle


class KeptPhotos:
    """Photos by their ids. Its methods belong to the event loop.

    Args:
        max_bytes: most bytes of all of them; the ones that nobody has asked for for longest go first. 0 keeps none.
        idle_seconds: after which one that nobody has asked for goes.
    """

    def __init__(self, max_bytes: float, idle_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._idle_seconds = idle_seconds
        self._kept: dict[str, _Kept] = {}  # the one that was asked for last is the last

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._kept)

    @property
    def total_bytes(self) -> int:
        """Bytes of all of them."""
        return sum(len(kept.content) for kept in self._kept.values())

    def keep(self, content: bytes) -> str | None:
        """Keep a photo; its id, or None when it is too large to be kept."""
        if len(content) > self._max_bytes:
            return None
        while self._kept and (self.count >= MAX_PHOTOS or self.total_bytes + len(content) > self._max_bytes):
            self.forget(next(iter(self._kept)))
        name = secrets.token_urlsafe(_ID_BYTES)
        self._kept[name] = _Kept(content, self._ending(name))
        return name

    def read(self, name: str) -> bytes:
        """A photo, which is then kept for another while; raises `PhotoGoneError`."""
        kept = self._kept.pop(name, None)
        if kept is None:
            raise PhotoGoneError("this photo is no longer kept: send it again")
        kept.end.cancel()
        self._kept[name] = _Kept(kept.content, self._ending(name))
        return kept.content

    def forget(self, name: str) -> None:
        """Let a photo go, if it is there."""
        kept = self._kept.pop(name, None)
        if kept is not None:
            kept.end.cancel()

    def _ending(self, name: str) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._idle_seconds, self.forget, name)
