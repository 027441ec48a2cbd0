"""Settings of the server, as frozen dataclasses; see `onar.settings.training` for their use."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le
from cyclopts import Parameter

from onar.errors import FieldError
from onar.settings.checks import Settings, require
from onar.settings.networks import NetworkOption
from onar.settings.ranges import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from onar.system.memory import available_memory

MEGAPIXELS, MEGABYTES = (24.0, 100.0), (32.0, 200.0)
"""Default limits of photos and requests: from other computers, and from this one alone."""
BYTES_PER_PIXEL = 20.0
"""Memory for a pixel of a photo that is read, filled and written: 0.9 GB at 24 megapixels (docs/performance.md)."""
BODIES = 4.0
"""Large requests that are in memory at once when one user works on the page."""
MEMORY_SHARE = 0.5
"""Share of the free memory that either may take."""

AccessLogStyle = Literal["none", "text", "json"]

_HOST = re.compile(r"(\*\.)?[\w-]+(\.[\w-]+)*|\[[0-9A-Fa-f:.]+\]")
"""A host name or address without scheme, port and path; a leading `*.` matches subdomains."""
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*/?")
_OWN = frozenset({"api", "examples", "metrics"})
"""First parts of the server's own paths; a proxy's path with one of them would be ambiguous."""


@dataclass(frozen=True, kw_only=True)
class AccessConfig(Settings):
    """Address of the server, and who may use it."""

    topic: ClassVar[str] = "Access"

    host: str = "127.0.0.1"
    """Address to listen on: 127.0.0.1 for this computer only, 0.0.0.0 for all addresses of this computer."""
    port: Annotated[int, Ge(0), Le(65535)] = 7860
    """Port to listen on; 0 takes a free one."""
    api_key: Annotated[str | None, Parameter(env_var="ONAR_API_KEY")] = None
    """Key that requests must send. Better set in the environment: other users of this computer can see flags."""
    auth: Annotated[str | None, Parameter(env_var="ONAR_AUTH")] = None
    """USER:PASSWORD for HTTP basic authentication. Where a key is set too, either is enough."""
    open_to_all: bool = False
    """Serve other computers without a key or password."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names of the server behind a proxy, such as photos.example.org or *.example.org; may be repeated. On
    127.0.0.1, requests for other hosts are refused."""
    root_path: str = ""
    """Path of the server behind a proxy, such as /onar."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("api_key", "auth"):
            if getattr(self, name) == "":
                raise FieldError(name, "must not be empty")
        self._check_secrets()
        for host in self.allowed_hosts:
            require(_is_host(host), "allowed_hosts", "takes names such as photos.example.org", repr(host))
        self._check_root_path()

    def _check_secrets(self) -> None:
        """Refuse secrets that no HTTP header can carry; the messages do not repeat them."""
        key, auth = self.api_key or "", self.auth or ""
        if not (key.isascii() and key.isprintable() and key == key.strip()):
            raise FieldError("api_key", "may have printable ASCII characters, and no space at its ends")
        user, _, password = auth.partition(":")
        if auth and not (user and password):
            raise FieldError("auth", "takes USER:PASSWORD")
        if not auth.isprintable():
            raise FieldError("auth", "may have no line breaks and no other control characters")

    def _check_root_path(self) -> None:
        require(bool(_PATH.fullmatch(self.root_path)), "root_path", "takes a path such as /onar", repr(self.root_path))
        first = self.root_path.split("/")[1] if "/" in self.root_path else ""
        require(first not in _OWN, "root_path", "must not be a path of the server's own", self.root_path)


@dataclass(frozen=True, kw_only=True)
class LimitConfig(Settings):
    """Limits on requests, memory and time."""

    topic: ClassVar[str] = "Limits"

    queue: PositiveInt = 16
    """Maximum number of requests at a time, waiting ones included; others get status 503."""
    time_limit: PositiveFloat = 60.0
    """Timeout in seconds, each, for a request to arrive, to wait in the queue, and to be completed."""
    max_body_megabytes: PositiveFloat | None = None
    """Maximum size of a request in megabytes; those in the queue are kept in memory. By default 200 for this computer
    only, as far as the memory allows, and 32 for others."""
    max_megapixels: PositiveFloat | None = None
    """Maximum size of photos and masks in megapixels; larger ones are refused before decoding. By default 100 for this
    computer only, as far as the memory allows, and 24 for others."""
    max_earlier_megapixels: PositiveFloat = 240.0
    """Maximum total size, in megapixels, of the earlier fills that are pasted on a photo."""
    max_whole_megapixels: PositiveFloat = 2.0
    """Maximum size of photos for strategy whole, in megapixels: its memory grows with the photo."""
    kept_megabytes: NonNegativeFloat = 256.0
    """Size of the cache of photos that are open on pages, in megabytes, so that each photo is sent once; 0: no
    cache."""
    kept_minutes: PositiveFloat = 10.0
    """Minutes after its last use until a photo is removed from the cache."""
    loaded_megabytes: NonNegativeFloat = 512.0
    """Size of chosen weights files that stay loaded beside the server's own, in megabytes; the last one stays."""
    threads: NonNegativeInt = 0
    """CPU threads for filling. 0: one per available core, within the CPU quota of a container."""


@dataclass(frozen=True, kw_only=True)
class OperationConfig(Settings):
    """How the server is run as a service."""

    topic: ClassVar[str] = "Operation"

    access_log: AccessLogStyle = "none"
    """A line for each request on stdout, as text or json; without addresses, and nothing of photos or their names."""
    stop_seconds: PositiveFloat = 9.0
    """Seconds in which the server stops: until a second before, requests in the queue are completed, others then get
    status 503. Docker kills after 10 s."""


@dataclass(frozen=True, kw_only=True)
class ServeConfig(OperationConfig, LimitConfig, AccessConfig):
    """How the server listens, who may use it, and its limits.

    >>> ServeConfig(port=8000, max_megapixels=2).pixel_limit
    2000000
    """

    topic: ClassVar[str] = "Page"

    page: bool = True
    """Serve the page beside the API."""
    network: NetworkOption = "auto"
    """Kind of network in the server's own weights file, if another program wrote it; see `onar complete`."""
    weights_dir: Path | None = None
    """Folder of further weights that the page offers, searched with its subfolders."""
    allow_weights: tuple[str, ...] = ()
    """Names of weights that clients may choose beside the server's own, such as bundled or lama; may be repeated. By
    default all that are there: those in `weights_dir`, downloaded ones, bundled and pyramid."""
    results_dir: tuple[Path, ...] = ()
    """Results folders, or folders of them, whose trainings the page shows; may be repeated."""

    @cached_property
    def megapixel_limit(self) -> float:
        """`max_megapixels`, or its default here."""
        return self.max_megapixels or self._default_limit(MEGAPIXELS, BYTES_PER_PIXEL * 1e6)

    @cached_property
    def body_limit(self) -> float:
        """`max_body_megabytes`, or its default here."""
        return self.max_body_megabytes or self._default_limit(MEGABYTES, BODIES * 1e6)

    @property
    def pixel_limit(self) -> int:
        """`megapixel_limit` in pixels."""
        return int(self.megapixel_limit * 1_000_000)

    def _default_limit(self, limits: tuple[float, float], needed: float) -> float:
        """The first limit for other computers, up to the second for this one alone; `needed` is the bytes of a unit."""
        low, high = limits
        if not is_loopback(self.host):
            return low
        return max(low, min(high, MEMORY_SHARE * available_memory() // needed))


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this computer only.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_host(host: str) -> bool:
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return _HOST.fullmatch(host) is not None
