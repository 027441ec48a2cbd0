"""Complete photo files in the workers of a Ray cluster, on one machine or many.

Ray Data distributes blocks of jobs: names only, because every machine sees the same files. A worker holds one network
and runs `complete_files` on its block. A worker that dies costs a retry of its block and no more: files are
written whole or not at all.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from numpy.typing import NDArray

from onar.completion.config import CompletionConfig, EngineConfig
from onar.completion.in_process import MEMORY_ADVICE, Outcome, complete_files, load_weights
from onar.completion.plan import Job
from onar.errors import FieldError, OnarError, printable
from onar.system.devices import available_cpus, limit_opencv
from onar.system.state import environment

QUIET = {
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # a page of text for each worker that died
}
"""Environment variables that silence Ray."""
OBJECT_STORE_BYTES = 100 * 2**20  # enough for names; Ray's default is a third of the memory
PHOTOS_IN_BLOCK = 8
BLOCKS_PER_WORKER = 4  # at least, if there are enough photos, so that all workers finish at about the same time
RETRIES = 1  # of a block; unbounded, a photo that kills its worker would be retried forever
SECONDS_TO_CONNECT = 10


@dataclass(frozen=True)
class Pool:
    """The workers of a cluster, each with a number of CPUs, and 0 or 1 GPUs."""

    workers: int
    threads: int
    gpus: int


@dataclass(eq=False)
class Actor:
    """One network in its own process, an actor of Ray; `folder` is the current one, for relative paths."""

    folder: str
    threads: int
    weights: str | None
    device: str
    config: CompletionConfig
    overwrite: bool = True

    def __post_init__(self) -> None:
        os.chdir(self.folder)
        limit_opencv(self.threads)
        self.inpainter = load_weights(self.weights, self.device, self.threads, self.config)

    def __call__(self, block: dict[str, NDArray[Any]]) -> dict[str, list[bytes]]:
        """Complete the photos of a block: pickled jobs in, their pickled outcomes out."""
        jobs = map(pickle.loads, block["job"])
        outcomes = complete_files(jobs, self.inpainter, self.config, overwrite=self.overwrite)
        return {"outcome": [pickle.dumps(_without_traceback(outcome)) for outcome in outcomes]}


def complete_on_ray(
    jobs: Sequence[Job],
    weights: str | None,
    device: str,
    config: CompletionConfig,
    where: EngineConfig,
    *,
    overwrite: bool = True,
) -> Iterator[Outcome]:
    """Complete photo files as `complete_files` does, in the workers of a Ray cluster, each of which loads the weights.

    The results are bit-identical on machines of one kind, because a worker uses as many threads as this process would.
    Results that a worker wrote before it died are kept, and not computed again.

    Yields:
        The outcome for each photo, in the order of the jobs; photos whose worker died at each retry come last.

    Raises:
        OnarError: there is no cluster, or its workers cannot start.
    """
    with _cluster(where.address) as ray:
        pool = plan_pool([machine["Resources"] for machine in ray.nodes() if machine["Alive"]], device, where)
        retried = config if overwrite else replace(config, resume=True)
        arguments = (os.getcwd(), pool.threads, weights, device, retried, overwrite)
        left = dict.fromkeys(jobs)
        together = min(PHOTOS_IN_BLOCK, -(-len(jobs) // (BLOCKS_PER_WORKER * pool.workers)))
        for photos_in_block in (together, 1):  # alone at the retry: a photo that kills its worker affects no other
            for outcome in _map(ray, list(left), photos_in_block, arguments, pool):
                del left[outcome.job]
                yield replace(outcome, was_there=outcome.was_there and config.resume)
        for job in left:
            reason = "its Ray worker died each time, probably out of memory"
            yield Outcome(job, error=f"{printable(job.photo)}: {reason}; {MEMORY_ADVICE}")


def plan_pool(machines: Sequence[Mapping[str, float]], device: str, where: EngineConfig) -> Pool:
    """Choose the workers of a cluster, by "CPU" and "GPU" of each machine; device auto takes GPUs if there are any.

    Raises `UsageError` if no machine has room for a worker.
    """
    threads = where.threads or available_cpus()
    with_gpus = any(machine.get("GPU") for machine in machines)
    gpus = int(device == "cuda" or (device == "auto" and with_gpus))
    room = sum(
        int(min(machine.get("CPU", 0) // threads, machine.get("GPU", 0) if gpus else inf)) for machine in machines
    )
    if gpus and not with_gpus:
        raise FieldError("device", f"{device}: no machine of the Ray cluster has a GPU; use `device` auto")
    if not room:
        raise FieldError("threads", f"must be smaller: no machine of the Ray cluster has {threads} CPUs for a worker")
    return Pool(where.ray_workers or room, threads, gpus)


def _map(
    ray: Any, jobs: Sequence[Job], photos_in_block: int, arguments: tuple[Any, ...], pool: Pool
) -> Iterator[Outcome]:
    """Outcomes of the jobs whose worker survived."""
    if not jobs:
        return
    settings = ray.data.DataContext.get_current()
    settings.enable_progress_bars = False
    settings.execution_options.preserve_order = True
    settings.max_errored_blocks = -1
    settings.max_consecutive_actor_init_deaths = RETRIES
    rows = ray.data.from_items(
        [{"job": pickle.dumps(job)} for job in jobs], override_num_blocks=-(-len(jobs) // photos_in_block)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of max_task_retries, which has no other place yet
        results = rows.map_batches(
            Actor,
            fn_constructor_args=arguments,
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=pool.workers, max_tasks_in_flight_per_actor=1),
            num_cpus=pool.threads,
            num_gpus=pool.gpus,
            max_task_retries=RETRIES,
        )
    try:
        for row in results.iter_rows():
            yield pickle.loads(row["outcome"])
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise OnarError(
            f"a Ray worker cannot work: {reason}; all machines need the same Onar and the same files at the same paths"
        ) from error


def _without_traceback(outcome: Outcome) -> Outcome:
    """The outcome with the traceback of its cause as text, because tracebacks cannot be pickled."""
    if outcome.cause is None:
        return outcome
    return replace(outcome, cause=OnarError("".join(traceback.format_exception(outcome.cause))))


# ---------------------------------------------------------------- the cluster


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    """Yield Ray, connected to the cluster at the address, or to a local one that ends with the block.

    Raises `OnarError` if Ray is not installed, or no cluster answers.
    """
    with environment(QUIET):
        ray = _import_quietly()
        try:
            _connect(ray, address)
            yield ray
        finally:  # also after Ctrl-C while Ray starts
            ray.shutdown()


def _connect(ray: Any, address: str | None) -> None:
    """Join a cluster or start one; raises `OnarError` when that fails."""
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address is None:
            ray.init("local", include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, **options)
        else:
            _check_answers(address)
            ray.init(address, **options)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        if address is None:
            raise OnarError(f"Ray does not start: {reason}") from error
        advice = "`ray status` there shows whether it runs; if it asks for a token, set RAY_AUTH_MODE=token here, too"
        raise OnarError(f"address {address}: cannot join the Ray cluster: {reason}; {advice}") from error


def _import_quietly() -> Any:
    """Ray and Ray Data; raises `OnarError` when they cannot be imported."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise OnarError(f'engine ray needs pip install "onar[ray]" ({error})') from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return ray


def _check_answers(address: str) -> None:
    """Raise OSError when nothing listens at HOST:PORT; Ray itself would retry for 15 minutes."""
    if address != "auto":  # Ray checks that at once
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_CONNECT).close()
