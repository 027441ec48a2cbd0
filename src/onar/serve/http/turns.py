"""Run work for as long as its client stays connected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from onar.serve.http.records import record_of
from onar.serve.worker import Worker

T = TypeVar("T")


async def run_while_there(
    request: Request, worker: Worker, work: Callable[[], T], reached: Callable[[float], None] = lambda _: None
) -> T:
    """Run work; if the client disconnects first, give up its turn and raise `ClientDisconnect`.

    `reached` is called as by `Worker.run`.
    """
    result = asyncio.create_task(worker.run(work, record_of(request.scope).wait, reached))
    gone = asyncio.create_task(_client_gone(request))
    try:
        await asyncio.wait({result, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            raise ClientDisconnect
        return result.result()
    finally:
        result.cancel()
        gone.cancel()


async def _client_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
