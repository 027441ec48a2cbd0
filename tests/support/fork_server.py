"""The process from which `tests.support.processes` forks others: one that has imported what they need.

    python -m tests.support.fork_server DESCRIPTOR MODULE...

A request is one byte with four descriptors: stdin, stdout and stderr of the new process, and a socket that brings a
pickled `Request` and takes the pid and, at the end, the exit code, a line each.
"""

from __future__ import annotations

import atexit
import gc
import os
import pickle
import runpy
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import NoReturn


@dataclass(frozen=True)
class Request:
    """A process to be forked.

    Attributes:
        arguments: what follows `python`: "-m", a module and its arguments, or "-c", code and its arguments.
        environment: all variables.
        folder: the current folder.
        new_session: make it the leader of a session.
    """

    arguments: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    new_session: bool


def serve(channel: socket.socket) -> Request:
    """Fork processes until the tests have ended; returns in each forked process, with what it is to do."""
    while True:
        message, descriptors, *_ = socket.recv_fds(channel, 1, 4)
        if not message:
            sys.exit()
        if os.fork() == 0:
            channel.close()
            return fork_watched(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):  # none are left
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def fork_watched(descriptors: list[int]) -> Request:
    """Fork the process, which returns, from this one, which reports how it ended."""
    *streams, control = descriptors
    connection = socket.socket(fileno=control)
    with connection.makefile("rb") as file:
        request: Request = pickle.load(file)
    if pid := os.fork():
        report_end(pid, streams, connection)
    connection.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", 1, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    return request


def report_end(pid: int, streams: list[int], connection: socket.socket) -> NoReturn:
    for stream in streams:
        os.close(stream)
    with suppress(OSError):  # the tests have ended
        connection.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def run(request: Request) -> None:
    """Be the process of a request."""
    if request.new_session:
        os.setsid()
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.path[0] = request.folder
    if request.arguments[0] not in ("-c", "-m"):
        sys.argv = list(request.arguments)
        runpy.run_path(sys.argv[0], run_name="__main__")
        return
    kind, program, *arguments = request.arguments
    sys.argv = ["-c" if kind == "-c" else program, *arguments]
    if kind == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
        return
    module = sys.modules["__main__"] = ModuleType("__main__")
    exec(compile(program, "<string>", "exec"), module.__dict__)


def leave(code: int) -> NoReturn:
    """End as an interpreter does, except that the system frees the memory: Python would take half a second for it."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    _, channel, *modules = sys.argv
    for name in modules:
        import_module(name)
    gc.freeze()
    try:
        run(serve(socket.socket(fileno=int(channel))))
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        leave(end.code or 0)
    leave(0)
