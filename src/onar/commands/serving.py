"""The command that serves the page and the API. Heavy imports are inside, so that --help is fast."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from onar.launch import as_command
from onar.serve.config import ServeConfig
from onar.settings.options import DeviceOption


@as_command
def serve(
    *,
    weights: str | None = None,
    device: DeviceOption = "auto",
    config: Annotated[ServeConfig, Parameter(name="*")] = ServeConfig(),  # noqa: B008
) -> None:
    """Serve a page to paint and fill holes, and an HTTP API, until Ctrl-C.

    Args:
        weights: A file as for `complete`; by default the bundled weights. "pyramid" is the pyramid fill, without
            weights.
        device: Device: auto, cpu, cuda, cuda:1, ... or mps; auto takes a GPU when there is one.
        config: Settings.
    """
    from onar.serve.server import serve

    serve(weights, device, config)
