"""Patches of the photo itself instead of a smooth fill: PatchMatch (Barnes et al. 2009) that starts from the fill.

The program is `web/native/patchmatch.cpp`, as WebAssembly: the page runs the same file, and fills are the same, bit for
bit, on all machines.
"""

from __future__ import annotations

import atexit
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onar.errors import OnarError

if TYPE_CHECKING:
    from wasmtime import Linker, Module, Store

MAX_RADIUS = 32
"""Of a patch: the distances of larger ones would not fit into 32 bits."""

_PROGRAM = Path(__file__).parents[1] / "assets" / "page" / "patchmatch.wasm"


def copy_patches(photo: NDArray[np.uint8], hole: NDArray[np.bool_], radius: int, seed: int = 0) -> NDArray[np.uint8]:
    """Replace the fill of holes by patches of the photo; deterministic, also in threads.

    Args:
        photo: H×W×3, with a fill in its holes: patches that continue it are found.
        hole: H×W, True = hole.
        radius: patches are 2 · radius + 1 pixels a side; 1 to `MAX_RADIUS`.
        seed: of the random search; another one gives another fill.

    Returns:
        H×W×3. Where there is no whole patch of known pixels, the fill stays, in the range of the known colours.

    Raises:
        OnarError: wasmtime is not installed, or cannot run here.
        MemoryError: memory ran out.
        ValueError: the radius is out of range, or the photo and its holes differ in size.
    """
    if not 1 <= radius <= MAX_RADIUS or photo.shape != (*hole.shape, 3):
        raise ValueError(f"no patches of radius {radius} in a photo of {photo.shape} with holes of {hole.shape}")
    if not hole.any():
        return photo.copy()
    require_patches()
    from wasmtime import Trap

    try:
        return _run(photo, hole, radius, seed)
    except Trap as trap:  # the program calls nothing that fails but for memory
        raise MemoryError("not enough memory to copy patches") from trap


def _run(photo: NDArray[np.uint8], hole: NDArray[np.bool_], radius: int, seed: int) -> NDArray[np.uint8]:
    store, code = _start()
    places = [code["malloc"](store, size) & 0xFFFFFFFF for size in (photo.size, hole.size)]
    if not all(places):
        raise MemoryError("not enough memory to copy patches")
    memory = code["memory"]
    memory.write(store, bytearray(np.ascontiguousarray(photo, np.uint8)), places[0])
    memory.write(store, bytearray(np.ascontiguousarray(hole, np.uint8)), places[1])
    code["fill"](store, *map(_signed, places), *hole.shape, radius, _signed(seed))
    filled = memory.read(store, places[0], places[0] + photo.size)
    return np.frombuffer(filled, np.uint8).reshape(photo.shape)


def _signed(number: int) -> int:
    """The low 32 bits of a number, as WebAssembly's i32."""
    return (number + 2**31) % 2**32 - 2**31


def _start() -> tuple[Store, Any]:
    """The program with memory of its own, which is freed with it."""
    from wasmtime import Store, WasmtimeError

    for reserves in (True, False):  # where addresses are limited, the slower one
        linker, module = _program(reserves)
        store = Store(linker.engine)
        try:
            code: Any = linker.instantiate(store, module).exports(store)
            code["_initialize"](store)
            return store, code
        except WasmtimeError as error:
            reason = error
    raise MemoryError("not enough memory to copy patches") from reason


@cache
def _program(reserves: bool = True) -> tuple[Linker, Module]:
    """PatchMatch, compiled, and what it imports.

    Args:
        reserves: 4 GB of addresses for each fill, so that no access needs a check.
    """
    from wasmtime import Config, Engine, FuncType, Linker, Module, ValType

    atexit.register(_program.cache_clear)  # at the very end, wasmtime could not free it
    config = Config()
    config.parallel_compilation = False  # threads would cost more than they save
    if not reserves:
        config.memory_reservation = config.memory_reservation_for_growth = config.memory_guard_size = 0
    engine = Engine(config)
    linker, takes_number = Linker(engine), FuncType([ValType.i32()], [])
    for names in (("env", "emscripten_notify_memory_growth"), ("wasi_snapshot_preview1", "proc_exit")):
        linker.define_func(*names, takes_number, lambda _: None)
    return linker, Module(engine, _PROGRAM.read_bytes())


def require_patches() -> None:
    """Raise `OnarError` where patches cannot be copied."""
    if reason := no_patches():
        raise OnarError(f"texture cannot be copied: {reason}")


def no_patches() -> str | None:
    """Why patches cannot be copied here, or None."""
    try:
        from wasmtime import WasmtimeError
    except (ImportError, OSError, RuntimeError) as error:
        return f"pip install wasmtime ({error})"
    try:
        _program()
    except (OSError, WasmtimeError) as error:  # such as a system that forbids new machine code
        return f"wasmtime cannot run {_PROGRAM}: {error}"
    return None
