"""Every setting of the server, as a frozen dataclass; see `onar.settings.training` for how it is used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from onar.errors import UsageError
from onar.settings.checks import Settings, at_least, require

_ABOVE_0 = (
    *("time_limit", "max_body_megabytes", "kept_minutes"),
    *("max_megapixels", "max_earlier_megapixels", "max_whole_megapixels"),
)
_HOST = re.compile(r"(\*\.)?[\w-]+(\.[\w-]+)*|\[[0-9A-Fa-f:.]+\]")
"""A name or an address without scheme, port and path; a star stands for whatever is in front."""
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*/?")
_OWN = frozenset({"api", "examples", "metrics"})
"""With one of these in front, nobody could tell whether a proxy has taken its path away already."""


@dataclass(frozen=True, kw_only=True)
class ServeConfig(Settings):
    """How the server listens, whom it lets in, and how much it takes on."""

    host: str = "127.0.0.1"
    """Address to listen on. Only this computer reaches 127.0.0.1; 0.0.0.0 is every address of this computer."""
    port: int = 7860
    """Port to listen on; 0 takes a free one."""
    api_key: Annotated[str | None, Parameter(env_var="ONAR_API_KEY")] = None
    """Key that requests must carry. Better set in the environment: other users of this computer can see flags."""
    auth: Annotated[str | None, Parameter(env_var="ONAR_AUTH")] = None
    """USER:PASSWORD that browsers must ask for. With a key as well, either opens the door."""
    open_to_all: bool = False
    """Serve other computers without a key or password."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which browsers reach the server through a proxy, such as photos.example.org or *.example.org; may be
    given several times. On 127.0.0.1 the server answers to other names only when they are given here."""
    root_path: str = ""
    """Path at which a proxy shows the server, such as /onar."""
    queue: int = 16
    """Most requests that are read, wait or are worked on at a time; others are told to come back."""
    time_limit: float = 60.0
    """Seconds for each: a request to arrive, its turn to come, its photo to be completed."""
    max_body_megabytes: float = 32.0
    """Refuse larger requests; those in the queue are in memory."""
    max_megapixels: float = 24.0
    """Refuse larger photos and masks before decoding them."""
    max_earlier_megapixels: float = 240.0
    """Refuse to lay more on a photo that was filled before: the pixels of all earlier fills together."""
    max_whole_megapixels: float = 2.0
    """Refuse larger photos for strategy whole, whose memory grows with the photo."""
    kept_megabytes: float = 256.0
    """Most megabytes of photos that pages have open and are kept in memory, so that each is sent once; 0 keeps none."""
    kept_minutes: float = 10.0
    """Minutes after which a photo is let go that no page has asked for."""
    threads: int = 0
    """CPU threads that fill holes. 0: one on each core that this process may use."""
    page: bool = True
    """Serve the page beside the API."""
    weights_dir: Path | None = None
    """Folder of other weights to choose from on the page, searched with its subfolders."""
    results_dir: tuple[Path, ...] = ()
    """Results folders, or folders of them, whose trainings the page shows; may be given several times."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.port <= 65535, "port", "must be from 0 to 65535", self.port)
        at_least("queue", self.queue, 1)
        at_least("threads", self.threads, 0)
        for name in _ABOVE_0:
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        at_least("kept_megabytes", self.kept_megabytes, 0)
        for name in ("api_key", "auth"):
            require(getattr(self, name) != "", name, "must not be empty", "''")
        self._check_secrets()
        for host in self.allowed_hosts:
            require(_is_host(host), "allowed_hosts", "takes names such as photos.example.org", repr(host))
        self._check_root_path()

    @property
    def pixel_limit(self) -> int:
        """`max_megapixels` in pixels."""
        return int(self.max_megapixels * 1_000_000)

    def _check_secrets(self) -> None:
        """Refuse what no client could send in a header; the messages do not repeat it."""
        key, auth = self.api_key or "", self.auth or ""
        if not (key.isascii() and key.isprintable() and key == key.strip()):
            raise UsageError("--api_key may have letters, digits and signs of ASCII, and no space at its ends")
        user, _, password = auth.partition(":")
        if auth and not (user and password):
            raise UsageError("--auth takes USER:PASSWORD")
        if not auth.isprintable():
            raise UsageError("--auth may have no line breaks and no other control characters")

    def _check_root_path(self) -> None:
        require(bool(_PATH.fullmatch(self.root_path)), "root_path", "takes a path such as /onar", repr(self.root_path))
        first = self.root_path.split("/")[1] if "/" in self.root_path else ""
        require(first not in _OWN, "root_path", "must not be a path of the server's own", self.root_path)


def _is_host(host: str) -> bool:
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return _HOST.fullmatch(host) is not None
