"""Failures around a training: signals, drives that vanish or keep no locks, low limits of memory and files."""

import errno
import multiprocessing
import os
import signal
import sys
from itertools import count
from pathlib import Path
from threading import Timer

import psutil
import pytest

from onar import TrainConfig, train
from onar.data.batches import EpochBatches, naming_lost_readers, photo_loader
from onar.data.mask_sources import GeneratedMasks
from onar.data.photo_sets import open_photos
from onar.data.samples import RandomCrops, TrainingPhotos
from onar.errors import OnarError, UsageError
from onar.imaging.listing import find_photos
from onar.training.gan.step import GAN
from tests.support.processes import Process
from tests.support.runs import SMALL, after_records, assert_same_weights, has_ended, one_line, wait_until

CROPS = RandomCrops(32, 32, GeneratedMasks(), seed=0)


def settings(photos: Path, folder: Path, **changes: object) -> TrainConfig:
    return TrainConfig(**SMALL | {"lambda_content": 0.0, "data": photos, "results_dir": folder} | changes)


# ---------------------------------------------------------------- stopped, and saved first
def test_reading_processes_end_with_the_training(photos: Path, tmp_path: Path) -> None:
    train(settings(photos, tmp_path, num_workers=2, epochs=1))
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_that_asks_to_stop_saves_the_step_and_the_run_goes_on(
    name: str, finished_alone: Path, photos: Path, tmp_path: Path
) -> None:
    def interrupt(record: dict) -> None:
        if record["kind"] == "step" and record["step"] == 2:
            os.kill(os.getpid(), getattr(signal, name))

    with after_records(interrupt), pytest.raises(KeyboardInterrupt, match="Stopped after step 2"):
        train(settings(photos, tmp_path))
    assert (tmp_path / "checkpoints" / "step_00000002.pt").exists()
    train(settings(photos, tmp_path))
    assert_same_weights(finished_alone, tmp_path)


def test_under_nohup_a_closed_terminal_stops_nothing(finished_alone: Path, photos: Path, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with after_records(lambda _: os.kill(os.getpid(), signal.SIGHUP)):
            train(settings(photos, tmp_path))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert_same_weights(finished_alone, tmp_path)


@pytest.mark.parametrize("error", [MemoryError("no memory"), RuntimeError("could not create a primitive")])
def test_a_step_that_lacks_memory_loses_nothing_before_it(
    error: Exception, finished_alone: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backward, calls = GAN._backward, count(1)

    def fail_once(gan: GAN, batch: object, share: object) -> object:
        terms = backward(gan, batch, share)
        if next(calls) == 3:
            raise error
        return terms

    monkeypatch.setattr(GAN, "_backward", fail_once)
    with pytest.raises((OnarError, RuntimeError)):
        train(settings(photos, tmp_path))
    assert (tmp_path / "checkpoints" / "step_00000002.pt").exists()
    train(settings(photos, tmp_path))
    assert_same_weights(finished_alone, tmp_path)


@pytest.fixture(scope="module")
def finished_alone(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "alone"
    train(settings(photos, folder))
    return folder


# ---------------------------------------------------------------- drives
def test_photos_whose_folder_vanishes_for_a_while_are_waited_for(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "drive"
    folder.symlink_to(photos)
    samples = TrainingPhotos(open_photos(folder), CROPS)
    expected = samples[0, 3]
    folder.rename(tmp_path / "away")
    back = Timer(0.5, lambda: (tmp_path / "away").rename(folder))
    back.start()
    found = samples[0, 3]
    back.join()
    assert (found["index"], found["unreadable"]) == (expected["index"], "")
    assert bool((found["photo"] == expected["photo"]).all())
    assert f"{folder} has vanished; waiting for it" in capsys.readouterr().err


def test_a_run_whose_photos_do_not_come_back_is_saved_first(
    finished_alone: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, results = tmp_path / "drive", tmp_path / "results"
    folder.symlink_to(photos)
    monkeypatch.setattr("onar.data.photo_sets.FOLDER_TIMEOUT", 0.1)

    def vanish(record: dict) -> None:
        if record["kind"] == "step" and record["step"] == 4:
            folder.unlink()

    with after_records(vanish), pytest.raises(OnarError, match=r"none of the \d+ photos could be read"):
        train(settings(folder, results))
    monkeypatch.undo()
    assert (results / "checkpoints" / "step_00000004.pt").exists()
    folder.symlink_to(photos)
    monkeypatch.setattr("onar.data.photo_sets._GONE", set())
    train(settings(folder, results))
    assert_same_weights(finished_alone, results)


def test_a_drive_that_keeps_no_locks_is_said_and_used(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    train(settings(photos, tmp_path, max_steps=1))
    assert "keeps no locks" in capsys.readouterr().err


def test_pipes_and_sockets_named_like_photos_are_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.jpg").touch()
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "linked.jpg").symlink_to(tmp_path / "a.jpg")
    assert find_photos(tmp_path) == [tmp_path / "b.jpg"]
    errors = capsys.readouterr().err
    assert f"Skipped {tmp_path / 'a.jpg'}: not a file" in errors
    assert f"Skipped {tmp_path / 'linked.jpg'}: not a file" in errors


# ---------------------------------------------------------------- reading processes
def test_a_temporary_path_too_long_is_refused(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("x" * 90)))
    loader = photo_loader(TrainingPhotos(open_photos(photos), CROPS), EpochBatches(4, 2, seed=0), num_workers=1)
    with pytest.raises(UsageError, match=r"TMPDIR .* is too long for the sockets"):
        next(iter(loader))


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("Too many open files. Communication with the workers is no longer possible.", "ulimit -n 4096"),
        ("received 0 items of ancdata", "ulimit -n 4096"),
        ("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that", "--shm-size 2g"),
        ("unable to write to file </torch_7_1>: No space left on device (28)", "--shm-size 2g"),
    ],
)
@pytest.mark.parametrize("kind", [OSError, RuntimeError])
def test_limits_of_reading_processes_are_one_line_with_advice(said: str, advice: str, kind: type[Exception]) -> None:
    with one_line("num_workers 0") as caught, naming_lost_readers():
        raise kind(said)
    assert advice in str(caught.value)


def test_a_wait_of_minutes_for_photos_is_reported(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("onar.data.batches.STALL_SECONDS", 0.05)
    folder = tmp_path / "drive"
    folder.symlink_to(photos)
    loader = photo_loader(TrainingPhotos(open_photos(folder), CROPS), EpochBatches(4, 2, seed=0), num_workers=0)
    folder.rename(tmp_path / "away")
    Timer(0.5, lambda: (tmp_path / "away").rename(folder)).start()
    assert len(list(loader)) == 2
    assert "no photos were read for" in capsys.readouterr().err


BLOCKED = """
import sys
from torch.utils.data import Dataset
from onar.data.batches import PhotoLoader, start_worker

class Blocked(Dataset):
    def __len__(self):
        return 1
    def __getitem__(self, index):
        print("reading", flush=True)
        return open(sys.argv[1]).read()

next(iter(PhotoLoader(Blocked(), num_workers=1, worker_init_fn=start_worker)))
"""


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not end a process with its parent")
def test_a_reading_process_that_waits_for_a_drive_ends_with_the_training(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with Process("-c", BLOCKED, tmp_path / "pipe") as process:
        assert process.stdout.readline() == "reading\n"
        children = psutil.Process(process.pid).children()
        (reader,) = [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]
        process.kill()
        wait_until(lambda: has_ended(reader))


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files as Linux does")
def test_too_low_a_limit_of_open_files_is_reported_before_photos_are_read(photos: Path) -> None:
    import resource

    loader = photo_loader(TrainingPhotos(open_photos(photos), CROPS), EpochBatches(4, 2, seed=0), num_workers=2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 10, hard))
    try:
        with pytest.raises(OnarError, match=r"ulimit -n 4096 \(\d+ are needed\)"):
            next(iter(loader))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(list(loader)) == 2
