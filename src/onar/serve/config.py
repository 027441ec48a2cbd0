"""Every setting of the server, as a frozen dataclass; see `onar.config` for how it is used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from onar.errors import UsageError
from onar.setting_checks import Settings, at_least, require


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
    queue: int = 16
    """Most requests that are read, wait or are worked on at a time; others are told to come back."""
    time_limit: float = 60.0
    """Seconds for each: a request to arrive, its turn to come, its photo to be completed."""
    max_body_megabytes: float = 32.0
    """Refuse larger requests; those in the queue are in memory."""
    max_megapixels: float = 24.0
    """Refuse larger photos and masks before decoding them."""
    max_whole_megapixels: float = 2.0
    """Refuse larger photos for strategy whole, whose memory grows with the photo."""
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
        for name in ("time_limit", "max_body_megabytes", "max_megapixels", "max_whole_megapixels"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        for name in ("api_key", "auth"):
            require(getattr(self, name) != "", name, "must not be empty", "''")
        if self.auth is not None:
            user, separator, password = self.auth.partition(":")
            if not (user and separator and password):
                raise UsageError("--auth takes USER:PASSWORD")
