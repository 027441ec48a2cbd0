"""A run is never lost: it is killed, its files are damaged, its disk is full, and it still ends as it should."""

import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unicodedata import normalize

import psutil
import pytest
import torch

from onar import TrainConfig, train
from onar.data.from_config import TrainingData, find_training_data, split_as_before
from onar.data.mask_sources import GeneratedMasks
from onar.data.photo_sets import Photos
from onar.data.streams import StreamedPhotos
from onar.errors import OnarError, UsageError
from onar.metrics.held_out import score_completer
from onar.models import PConvUNet
from onar.system.files import replacing
from onar.training.results_folder import Results
from onar.training.resume import Checkpoint
from onar.weights.tensors import load_state, save_state
from tests.support.processes import Process, run
from tests.support.runs import SMALL, assert_same_weights, flags, records, refusal, state, train_command, train_small

# A checkpoint after every step, and no feature network to load in every life of a process that is about to be killed.
KILLED = {**SMALL, "lambda_content": 0.0, "checkpoint_minutes": 1e-9, "discriminator_channels": 32}


def wait_until(reached: Callable[[], bool], process: Process) -> bool:
    """Watch a process closely until it has got somewhere; False when it ended before."""
    deadline = time.monotonic() + 600
    while not reached():
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, "the training does not get on"
        time.sleep(0.001)  # leaves the processor to the training
    return True


def log_size(results: Path) -> int:
    log = results / "log.jsonl"
    return log.stat().st_size if log.exists() else 0


def being_written(results: Path) -> list[Path]:
    return list((results / "checkpoints").glob(".*.partial*"))


def stop_while_writing(process: Process, results: Path) -> bool:
    """Hold a process while a checkpoint is half written; False when the moment had passed."""
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: has_stopped(process.pid), process)
    if being_written(results):
        return True
    process.send_signal(signal.SIGCONT)
    return False


def has_stopped(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    return True


def kill_once(command: list[str], results: Path, rng: random.Random, *, writing: bool) -> bool:
    """Start the training and kill it at a random moment, or while it writes a checkpoint; False when it ended first."""
    # A line of the log has about 400 bytes, so this is after one to three steps and anywhere in the next.
    target = log_size(results) + rng.randrange(400, 1300)
    with Process(*command) as process:
        alive = wait_until(lambda: log_size(results) >= target, process)
        while writing and alive:
            alive = wait_until(lambda: bool(being_written(results)), process)
            if alive and stop_while_writing(process, results):
                break
        process.kill()
    return alive


def kill_and_go_on(kills: int, seed: int, photos: Path, folder: Path) -> str:
    """Kill a training that often, every other time while it writes a checkpoint, and compare the final weights."""
    # Eight steps to an epoch, two epochs to four kills: most lives end in the middle of an epoch.
    settings = {**KILLED, "data": photos, "photos_per_epoch": 32, "epochs": kills // 2, "finetune_share": 0.5}
    results, rng = folder / "killed", random.Random(seed)
    command = train_command(**settings, results_dir=results)
    killed = torn = 0
    while killed < kills and kill_once(command, results, rng, writing=killed % 2 == 1):
        killed += 1
        torn += bool(being_written(results))
    assert killed == kills
    assert torn >= kills // 2
    run(*command, code=0)
    train(TrainConfig(**settings, results_dir=folder / "whole"))
    assert_same_weights(folder / "whole", results)
    assert not being_written(results)
    whole = records(folder / "whole", "epoch")
    assert [record["validation"] for record in records(results, "epoch")] == [record["validation"] for record in whole]
    assert [record["step"] for record in records(results, "step")] == list(range(1, whole[-1]["step"] + 1))
    return f"{killed} of {kills} kills survived, {torn} of them while a checkpoint was being written"


@pytest.mark.process
def test_a_run_killed_at_any_moment_ends_with_the_weights_of_one_never_stopped(photos: Path, tmp_path: Path) -> None:
    kill_and_go_on(4, 0, photos, tmp_path)


@pytest.mark.process
@pytest.mark.soak
def test_a_run_killed_many_times_ends_with_the_weights_of_a_run_that_never_stopped(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = kill_and_go_on(24, 1, photos, tmp_path)
    with capsys.disabled():
        print(f"\n{report}")


@pytest.fixture
def unfinished(finished: Path, tmp_path: Path) -> Path:
    """A run that was stopped before its final weights were written, with checkpoints of steps 3 and 6."""
    results = shutil.copytree(finished, tmp_path / "unfinished")
    (results / "generator_final.pth").unlink()
    return results


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_off, flip_a_bit, empty])
def test_a_damaged_checkpoint_is_reported_and_the_one_before_it_used(
    damage: Callable[[Path], None], finished: Path, unfinished: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = unfinished / "checkpoints" / "step_00000006.pt"
    damage(newest)
    train_small(photos, unfinished)
    printed = capsys.readouterr()
    (warning,) = (line for line in printed.err.splitlines() if line.startswith("onar: "))
    assert str(newest) in warning
    assert "going on from step_00000003.pt instead" in warning
    assert "Going on after step 3 of 6" in printed.out
    assert_same_weights(finished, unfinished)


def test_when_every_checkpoint_is_damaged_the_run_says_so_and_keeps_them(unfinished: Path, photos: Path) -> None:
    for path in (unfinished / "checkpoints").iterdir():
        flip_a_bit(path)
    before = sorted(unfinished.rglob("*"))
    with pytest.raises(OnarError, match=r"step_00000006\.pt is damaged.*, and no older .* is whole.*resume never"):
        train_small(photos, unfinished)
    assert sorted(unfinished.rglob("*")) == before


def test_a_checkpoint_of_a_newer_version_is_one_line(unfinished: Path, photos: Path) -> None:
    path = unfinished / "checkpoints" / "step_00000006.pt"
    checkpoint = load_state(path)
    for new, said in [
        ({"format": 2}, "has format 2, written by a newer Onar"),
        ({"progress": {**checkpoint["progress"], "new": 1}}, "has 'new', which this version does not know"),
        ({"config": {**checkpoint["config"], "new": 1}}, "has 'new', which this version does not know"),
        ({"progress": 3}, "is not a checkpoint of a run"),
    ]:
        save_state(path, checkpoint | new)
        with pytest.raises(OnarError, match=said) as refusal:
            Results(unfinished).find_checkpoint(TrainConfig(data=photos, results_dir=unfinished, **SMALL))
        assert str(path) in str(refusal.value)


def test_a_damaged_checkpoint_that_is_named_is_refused(unfinished: Path, photos: Path) -> None:
    named = unfinished / "checkpoints" / "step_00000006.pt"
    flip_a_bit(named)
    with pytest.raises(OnarError, match=f"{named} is damaged"):
        train_small(photos, unfinished, resume=str(named))


def test_what_a_killed_process_had_half_written_is_removed_and_never_read(unfinished: Path, photos: Path) -> None:
    whole = unfinished / "checkpoints" / "step_00000099.pt"
    with replacing(whole) as partly:
        partly.write_bytes(b"half a checkpoint")
    whole.rename(partly)
    train_small(photos, unfinished)
    assert not partly.exists()
    assert (unfinished / "generator_final.pth").exists()


def test_an_epoch_that_is_about_to_be_repeated_is_forgotten(finished: Path, unfinished: Path, photos: Path) -> None:
    # Killed after the epoch was logged and before its checkpoint, with one of the same step from before its end.
    path = unfinished / "checkpoints" / "step_00000006.pt"
    checkpoint = load_state(path)
    progress = {**checkpoint["progress"], "epoch": 1, "images": 9}
    found = Checkpoint(path, {**checkpoint, "progress": progress})
    Results(unfinished).start(TrainConfig(data=photos, **SMALL), found)
    assert [record["epoch"] for record in records(unfinished, "epoch")] == [1]
    assert [record["step"] for record in records(unfinished, "step")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("key", ["", "photos", "version"])
def test_baselines_are_those_of_the_log_unless_photos_or_version_differ(
    key: str, unfinished: Path, photos: Path
) -> None:
    lines = [json.loads(line) for line in (unfinished / "log.jsonl").read_text().splitlines()]
    (computed,) = (line for line in lines if line["kind"] == "baselines")
    before = computed["scores"]["Telea"]["psnr"]
    computed["scores"]["Telea"]["psnr"] = 1.25
    if key:
        computed[key] = "another"
    (unfinished / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (unfinished / "checkpoints" / "step_00000006.pt").unlink()
    train_small(photos, unfinished)
    assert records(unfinished, "epoch")[-1]["validation"]["Telea"]["psnr"] == (before if key else 1.25)
    assert len(records(unfinished, "baselines")) == (2 if key else 1)


def test_what_was_skipped_after_the_checkpoint_is_forgotten_and_the_rest_stays(unfinished: Path, photos: Path) -> None:
    path = unfinished / "checkpoints" / "step_00000006.pt"
    checkpoint = load_state(path)
    checkpoint["progress"]["skipped"] = ["a.jpg: cut off", "b.jpg: empty"]
    save_state(path, checkpoint)
    (unfinished / "skipped.txt").write_text("a.jpg: cut off\nb.jpg: empty\nlater.jpg: cut o")
    train_small(photos, unfinished)
    assert (unfinished / "skipped.txt").read_text() == "a.jpg: cut off\nb.jpg: empty\n"


def newest_checkpoint(results: Path) -> Path:
    return sorted((results / "checkpoints").iterdir())[-1]


def names(photos: Photos) -> set[str]:
    return {str(photos[index]) for index in range(len(photos))}


def change(folder: Path, come: int, gone: list[str]) -> None:
    """Let photos come, sorted before all others, and go."""
    one = next(folder.glob("*.jpg"))
    for number in range(come):
        shutil.copy(one, folder / f"a {number:02d}.jpg")
    for name in gone:
        Path(name).unlink()


@pytest.mark.parametrize("come", [0, 1, 30])
@pytest.mark.parametrize("gone", ["", "held out", "trained on", "both"])
def test_no_photo_that_was_trained_on_is_held_out_later(come: int, gone: str, photos: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(photos, tmp_path / "photos")
    config = TrainConfig(data=folder, val_share=0.3)
    before = find_training_data(config)
    trained_on, held_out = names(before.training), names(before.held_out)
    lost = {*sorted(held_out)[: gone in ("held out", "both")], *sorted(trained_on)[: gone in ("trained on", "both")]}
    change(folder, come, sorted(lost))
    after, message = split_as_before(find_training_data(config), before.record())
    assert (names(after.held_out), bool(message)) == (held_out - lost, bool(come or lost))
    assert names(after.training) >= trained_on - lost
    assert len(after.training) == len(trained_on - lost) + come
    again, message = split_as_before(find_training_data(config), after.record())
    assert (names(again.held_out), message) == (names(after.held_out), "")


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_held_out_photos_stay_so_in_a_folder_from_a_mac(photos: Path, tmp_path: Path, forms: tuple[str, str]) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, path in enumerate(sorted(photos.rglob("*.jpg"))):
        shutil.copy(path, folder / normalize(forms[0], f"şölen {number}.jpg"))
    config = TrainConfig(data=folder, val_share=0.3)
    before = find_training_data(config)
    for path in list(folder.iterdir()):
        path.rename(folder / normalize(forms[1], path.name))
    after, _ = split_as_before(find_training_data(config), before.record())
    assert len(before.held_out) > 0
    assert {normalize(forms[0], name) for name in names(after.held_out)} == names(before.held_out)


def test_without_other_photos_a_run_does_not_go_on(photos: Path, tmp_path: Path) -> None:
    config = TrainConfig(data=shutil.copytree(photos, tmp_path / "photos"))
    before = find_training_data(config)
    change(tmp_path / "photos", 0, sorted(names(before.training)))
    with pytest.raises(OnarError, match="nothing is left to train on"):
        split_as_before(find_training_data(config), before.record())


def test_a_stream_that_begins_with_other_photos_is_refused() -> None:
    sources = (StreamedPhotos("hf:parquet:a.parquet", held_out=frozenset({mark})) for mark in (b"one", b"other"))
    one, other = (TrainingData(source, [], GeneratedMasks(), GeneratedMasks()) for source in sources)
    assert split_as_before(one, one.record()) == (one, "")
    with pytest.raises(OnarError, match="the source has changed since this run began"):
        split_as_before(other, one.record())


def test_a_run_goes_on_when_its_folder_has_changed_and_says_so(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, results = shutil.copytree(photos, tmp_path / "photos"), tmp_path / "results"
    train_small(folder, results, lambda_content=0.0, max_steps=2)  # of three to an epoch
    before = load_state(newest_checkpoint(results))["photos"]
    held_out = {str(folder / name) for name in before["held_out"]}
    change(folder, 0, sorted({str(path) for path in folder.rglob("*.jpg")} - held_out)[1:])
    capsys.readouterr()
    train_small(folder, results, lambda_content=0.0, epochs=3, resume=newest_checkpoint(results))
    said = "began: it continues with 1; of the 1 held out then, 1 are there and stay held out\n"
    assert f"Photos were added or removed since this run {said}" in capsys.readouterr().out
    after = load_state(newest_checkpoint(results))["photos"]
    assert after["held_out"] == before["held_out"]
    assert after["photos"] != before["photos"]


def drawn(results: Path) -> set[str]:
    """The pictures and events of a run."""
    return {path.name for kind in ("*.png", "*/*.png", "tensorboard/*") for path in results.glob(kind)}


def test_a_run_that_begins_anew_removes_the_old_ones_pictures(finished: Path, photos: Path, tmp_path: Path) -> None:
    results = shutil.copytree(finished, tmp_path / "results")
    (results / "samples" / "samples_epoch_10.png").touch()
    (results / "tensorboard").mkdir()
    (results / "tensorboard" / "events.out.tfevents.0.old").touch()
    mine = [results / "loss_curves_epoch_2_for_my_thesis.png", results / "samples" / "notes.png"]
    for path in mine:
        path.touch()
    train_small(photos, results, epochs=1, lambda_content=0.0, val_share=0.0, resume="never")
    assert drawn(results) == {"samples_epoch_1.png", "loss_curves_epoch_1.png", *(path.name for path in mine)}


def test_a_run_back_at_a_checkpoint_keeps_earlier_pictures(finished: Path, unfinished: Path, photos: Path) -> None:
    path = unfinished / "checkpoints" / "step_00000003.pt"
    Results(unfinished).start(TrainConfig(data=photos, **SMALL), Checkpoint(path, load_state(path)))
    assert drawn(unfinished) == {name for name in drawn(finished) if "epoch_1" in name}


@pytest.mark.parametrize("wrong", [{"init_weights": "none.pth"}, {"val_data": "nowhere"}])
def test_a_failed_start_removes_nothing(wrong: dict[str, str], unfinished: Path, photos: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in unfinished.rglob("*") if path.suffix in {".pt", ".pth", ".jsonl"}}
    wrong = {name: str(tmp_path / value) for name, value in wrong.items()}
    with pytest.raises(OnarError):
        train_small(photos, unfinished, **wrong, resume="never")
    assert all(path.read_bytes() == content for path, content in before.items())


FULL_DISK = """
import resource, signal, sys
from onar.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))
main(sys.argv[1:])
"""


@pytest.mark.process
def test_a_full_disk_leaves_an_earlier_checkpoint_to_go_on_from(finished: Path, unfinished: Path, photos: Path) -> None:
    newest = unfinished / "checkpoints" / "step_00000006.pt"
    size = newest.stat().st_size
    newest.unlink()
    settings = flags(data=photos, results_dir=unfinished, **SMALL)
    said = run("-c", FULL_DISK.format(size=size // 2), "train", *settings, code=1).stderr
    last = said.splitlines()[-1]
    assert re.match(r"onar: cannot write \S+step_00000006.pt: File too large\. .*step_00000003\.pt", last)
    assert "Traceback" not in said
    assert not being_written(unfinished)
    load_state(unfinished / "checkpoints" / "step_00000003.pt", sealed=True)
    train_small(photos, unfinished)
    assert_same_weights(finished, unfinished)


def test_a_disk_too_small_for_the_checkpoints_is_found_before_the_training(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.open()
    free = shutil.disk_usage(tmp_path).free
    results.refuse_small_disk(free // 10)
    with pytest.raises(OnarError, match=r"need [\d,]+ more bytes, and [\d,]+ are free"):
        results.refuse_small_disk(free)
    results.close()


@contextmanager
def running(command: list[str]) -> Iterator[Process]:
    """A training that has begun; it is killed at the end."""
    with Process(*command) as process:
        assert process.stdout.readline().startswith("Epoch ")
        yield process
        process.kill()


@pytest.mark.process
def test_two_runs_cannot_write_one_folder_and_a_kill_frees_it(photos: Path, tmp_path: Path) -> None:
    # The processes that read photos outlive a killed training by seconds; they must not hold its folder.
    settings = {**KILLED, "data": photos, "results_dir": tmp_path, "num_workers": 1, "epochs": 1000}
    with running(train_command(**settings)) as process:
        with pytest.raises(OnarError, match=f"process {process.pid} on .* is training into {tmp_path}"):
            train(TrainConfig(**settings))
        assert process.poll() is None
    results = Results(tmp_path)
    results.open()
    results.close()


def test_the_best_generator_is_kept_and_survives_a_resume(photos: Path, tmp_path: Path) -> None:
    # At this rate the weights soon get worse, so that the best checkpoint is an old one.
    settings, whole = {"lambda_content": 0.0, "learning_rate_g": 0.3, "epochs": 5}, tmp_path / "whole"
    train_small(photos, whole, **settings)
    epochs = records(whole, "epoch")
    best = max(epochs, key=lambda record: record["validation"]["onar"]["psnr"])["step"]
    assert best < epochs[-2]["step"]
    kept = sorted(path.name for path in (whole / "checkpoints").iterdir())
    assert kept == [f"step_{step:08d}.pt" for step in (best, epochs[-2]["step"], epochs[-1]["step"])]
    stopped = shutil.copytree(whole, tmp_path / "stopped")
    (stopped / "generator_final.pth").unlink()
    flip_a_bit(stopped / "checkpoints" / kept[-1])
    train_small(photos, stopped, **settings)
    expected = load_state(whole / "checkpoints" / kept[0])["gan"]["generator"]
    for results in (whole, stopped):
        found = state(results / "generator_best.pth")
        assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_bad_steps_are_skipped_and_logged(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onar.training.gan.task.build_gan", build_gan_with_bad_steps(2, 4, 5, 6))
    train_small(photos, tmp_path, on_nan="skip")
    assert [record["step"] for record in records(tmp_path, "step")] == [1, 3]
    bad = records(tmp_path, "bad_step")
    assert ([record["step"] for record in bad], bad[0]["reason"]) == ([2, 4, 5, 6], "G_gradient_norm is nan")
    assert [record["bad_steps"] for record in records(tmp_path, "epoch")] == [1, 4]
    first, third = records(tmp_path, "step")
    average = records(tmp_path, "epoch")[0]["Pixel_loss"]  # four photos and one
    assert average == pytest.approx((4 * first["Pixel_loss"] + third["Pixel_loss"]) / 5)


def test_a_gradient_that_is_not_finite_stops_the_run_and_names_the_last_good_checkpoint(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onar.training.gan.task.build_gan", build_gan_with_bad_steps(5))
    with pytest.raises(OnarError, match=r"step 5: G_gradient_norm is nan; .*step_00000003\.pt\. .*on_nan skip"):
        train_small(photos, tmp_path)
    train(TrainConfig(data=photos, results_dir=tmp_path, **SMALL, on_nan="skip"))  # the same run goes on


def test_steps_that_stay_bad_end_the_run_also_when_they_may_be_skipped(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(OnarError, match=r"step 11: \w+_loss is (nan|inf), and no step was possible in 10"):
        train_small(photos, tmp_path, photos_per_epoch=80, lambda_content=0.0, learning_rate_g=1e30, on_nan="skip")


def build_gan_with_bad_steps(*bad: int) -> Callable[..., object]:
    """The real GAN, in which some of the generator's gradients are not finite, counted from 1."""
    from onar.training.gan.networks import build_gan
    from tests.training.test_step import spoil_gradients

    def build(*arguments: object) -> object:
        gan = build_gan(*arguments)
        spoil_gradients(gan.generator, *bad)
        return gan

    return build


class Malice:
    """Runs a command when it is unpickled without care."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        return os.system, (self.command,)


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("option", ["resume", "init_weights", "content_weights", "weights"])
def test_a_pickle_that_would_run_a_command_is_refused(option: str, sealed: bool, photos: Path, tmp_path: Path) -> None:
    evil, owned = tmp_path / "evil.pt", tmp_path / "owned"
    write = save_state if sealed else (lambda path, content: torch.save(content, path))
    write(evil, {"gan": Malice(f"touch {owned}"), "config": {}})
    torch.load(evil, weights_only=False)
    assert owned.exists(), "the file is harmless, and this test would be, too"
    owned.unlink()
    verb = ["train", *flags(data=photos, results_dir=tmp_path / "results", **SMALL)]
    if option == "weights":
        photo, mask, *_ = photos.glob("*.jpg")
        verb = ["complete", photo, "--mask", mask, "--output", tmp_path / "out.png"]
    assert str(evil) in refusal(*verb, f"--{option}", evil, code=1)
    assert not owned.exists()


def test_init_weights_of_another_architecture_are_refused_and_both_are_named(photos: Path, tmp_path: Path) -> None:
    save_state(tmp_path / "other.pth", PConvUNet(8, 4).state_dict())
    theirs, ours = (
        f"a PConvUNet of base_channels {width}, depth {depth}, base_fill none" for width, depth in ((8, 4), (4, 3))
    )
    with pytest.raises(OnarError, match=rf"other\.pth holds {theirs}; this run has {ours}"):
        train_small(photos, tmp_path, init_weights=tmp_path / "other.pth")


def test_lines_of_another_program_in_the_log_stop_no_run_and_stay(photos: Path, tmp_path: Path) -> None:
    train_small(photos, tmp_path, lambda_content=0.0, epochs=1)
    log = tmp_path / "log.jsonl"
    foreign = ["not JSON", '{"another": "program"}', '{"kind": "step", "step": "two"}', "[1]", ""]
    first, *others = log.read_text().splitlines()
    log.write_text("\n".join([first, *foreign, *others]) + '\n{"kind": "ep')
    (checkpoint,) = (tmp_path / "checkpoints").glob("*.pt")
    train_small(photos, tmp_path, lambda_content=0.0, resume=checkpoint)
    assert log.read_text().splitlines()[: 1 + len(foreign) + len(others)] == [first, *foreign, *others]
    assert [record["epoch"] for record in Results(tmp_path).records() if record["kind"] == "epoch"] == [1, 2]


def stopped_run(photos: Path, folder: Path) -> dict[str, object]:
    """The settings of a run that was stopped after its first epoch, without content loss."""
    settings = {**SMALL, "lambda_content": 0.0, "data": photos, "results_dir": folder, "device": "cpu"}
    train(TrainConfig(**settings))
    (folder / "generator_final.pth").unlink()
    newest_checkpoint(folder).unlink()
    return settings


def test_new_rates_and_epochs_are_reported(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = stopped_run(photos, tmp_path)
    capsys.readouterr()
    train(TrainConfig(**settings | {"learning_rate_g": 5e-5, "epochs": 3, "lr_schedule": "constant"}))
    said = capsys.readouterr().out
    assert "Going on after step 3 of 9: epochs was 2, is 3; learning_rate_g was 0.0001, is 5e-05" in said
    steps = records(tmp_path, "step")
    assert [record["learning_rate_g"] for record in steps] == 3 * [1e-4] + 6 * [5e-5]
    assert {record["learning_rate_d"] for record in steps} == {1e-4}


def test_half_the_batch_and_twice_the_accumulation_go_on(photos: Path, tmp_path: Path) -> None:
    settings = stopped_run(photos, tmp_path)
    with pytest.raises(UsageError, match="batch_size was 4, is 2"):
        train(TrainConfig(**settings | {"batch_size": 2}))
    train(TrainConfig(**settings | {"batch_size": 2, "accumulation_steps": 2}))
    assert [record["step"] for record in records(tmp_path, "step")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("best_by", ["psnr", "l1_hole"])
def test_a_run_stops_early_when_its_score_no_longer_gains_also_when_it_was_stopped(
    best_by: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    better, worse = (30.0, 20.0) if best_by == "psnr" else (0.1, 0.2)
    scores = iter([worse, better, worse, worse, better, worse])

    def score_by_plan(*arguments: object) -> dict[str, float]:
        return score_completer(*arguments) | {best_by: next(scores)}

    monkeypatch.setattr("onar.training.gan.task.score_completer", score_by_plan)
    settings = {"lambda_content": 0.0, "photos_per_epoch": 4, "best_by": best_by}
    train_small(photos, tmp_path, **settings, epochs=3).unlink()  # ends after one epoch without gain
    train_small(photos, tmp_path, **settings, epochs=9, patience=2)
    assert [record["epoch"] for record in records(tmp_path, "epoch")] == [1, 2, 3, 4]
    best = load_state(tmp_path / "checkpoints" / "step_00000002.pt")["gan"]["generator"]
    found = state(tmp_path / "generator_best.pth")
    assert all(torch.equal(value, found[name]) for name, value in best.items())


def test_patience_needs_validation(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="patience needs photos for validation"):
        train_small(photos, tmp_path, lambda_content=0.0, val_share=0, patience=1)
