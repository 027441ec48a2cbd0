"""Patches of the photo itself in place of a smooth fill: PatchMatch (Barnes et al. 2009) that starts from the fill.

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
    from wasmtime import Linker, Module

_PROGRAM = Path(__file__).parents[1] / "assets" / "page" / "patchmatch.wasm"


def copy_patches(photo: NDArray[np.uint8], hole: NDArray[np.bool_], radius: int, seed: int = 0) -> NDArray[np.uint8]:
    """Replace the fill of holes by patches of the photo; deterministic, also in threads.

    Args:
        photo: H×W×3, with a fill in its holes: patches that continue it are found.
        hole: H×W, True = hole.
        radius: patches are 2 · radius + 1 pixels a side.
        seed: of the random search; another one gives another fill.

    Returns:
        H×W×3. Where there is no whole patch of known pixels, the fill stays, in the range of the known colours.

    Raises:
        OnarError: wasmtime is not installed, or not for this machine.
        MemoryError: memory ran out.
    """
    require_patches()
    from wasmtime import Store, Trap

    linker, module = _program()
    store = Store(linker.engine)
    try:
        code: Any = linker.instantiate(store, module).exports(store)
        code["_initialize"](store)
        places = [code["malloc"](store, size) & 0xFFFFFFFF for size in (photo.size, hole.size)]
        if not all(places):
            raise MemoryError
        memory = code["memory"]
        memory.write(store, np.ascontiguousarray(photo, np.uint8).tobytes(), places[0])
        memory.write(store, np.ascontiguousarray(hole, np.uint8).tobytes(), places[1])
        code["fill"](store, *places, *hole.shape, radius, _signed(seed))
        filled = memory.read(store, places[0], places[0] + photo.size)
    except Trap as trap:  # the program calls nothing that fails but for memory
        raise MemoryError("not enough memory to copy patches") from trap
    return np.frombuffer(filled, np.uint8).reshape(photo.shape)


def _signed(number: int) -> int:
    """The low 32 bits of a number, as WebAssembly's i32."""
    return (number + 2**31) % 2**32 - 2**31


@cache
def _program() -> tuple[Linker, Module]:
    """PatchMatch, compiled, and what it imports; each fill gets memory of its own."""
    from wasmtime import Config, Engine, FuncType, Linker, Module, ValType

    atexit.register(_program.cache_clear)  # at the very end, wasmtime could not free it
    config = Config()
    config.parallel_compilation = False  # threads would cost more than they save
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
        import wasmtime  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        return f"pip install wasmtime ({error})"
    return None if _PROGRAM.exists() else f"{_PROGRAM} is missing"
