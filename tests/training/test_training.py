"""A training as a user sees it: real photos, real processes, the files it leaves."""

import os
import re
import shutil
import signal
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from onar import PConvUNet, TrainConfig, train
from onar.checkpoint import load_generator
from onar.data.from_config import find_training_data
from onar.data.mask_sources import mask_source
from onar.errors import OnarError, UsageError
from onar.masks.defaults import MASK_TYPES
from onar.metrics.held_out import complete_with, load_held_out, score_completer
from onar.settings.recipes import SCRIPT, recipes
from onar.system.console import training_bar
from onar.training.curve_names import LOSSES
from onar.training.curves import save_loss_curves
from onar.training.gan.step import GAN
from onar.training.gan.task import note_skipped
from onar.training.progress import Progress
from onar.training.results_folder import Results
from onar.weights.bundled import bundled_weights
from tests.conftest import PHOTOS
from tests.support.processes import Process
from tests.support.processes import run as run_process
from tests.support.runs import (
    SMALL,
    assert_same_weights,
    flags,
    one_line,
    records,
    refusal,
    run_onar,
    state,
    stopped_in,
    train_command,
    train_small,
    wait_until,
)


def test_the_results_folder_is_the_guides(finished: Path) -> None:
    names = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    for epoch in (1, 2):
        assert f"samples/samples_epoch_{epoch}.png" in names
        assert f"loss_curves_epoch_{epoch}.png" in names
        assert f"validation_curves_epoch_{epoch}.png" in names
    assert {"generator_final.pth", "discriminator_final.pth", "config.toml", "log.jsonl"} <= names
    assert not [name for name in names if "partial" in name]


def test_the_weights_load_as_the_guide_says(finished: Path) -> None:
    generator = PConvUNet(base_channels=4, depth=3)
    generator.load_state_dict(torch.load(finished / "generator_final.pth"))
    assert generator.eval()(torch.zeros(1, 3, 32, 32), torch.ones(1, 1, 32, 32)).shape == (1, 3, 32, 32)


def test_the_log_holds_every_step_and_epoch(finished: Path) -> None:
    steps, epochs = records(finished, "step"), records(finished, "epoch")
    assert [record["step"] for record in steps] == [1, 2, 3, 4, 5, 6]  # nine photos in batches of four, twice
    assert [record["epoch"] for record in epochs] == [1, 2]
    assert epochs[-1]["skipped"] == epochs[-1]["upscaled"] == 0
    assert set(epochs[0]["validation"]) == {"onar", "Telea", "pyramid fill", "PatchMatch"}
    for record in steps:
        total = record["Pixel_loss"] + record["Content_loss"] + 0.01 * record["Adv_loss"]
        assert record["G_loss"] == pytest.approx(total, rel=1e-4)


def test_the_sample_sheet_shows_masked_completed_and_original(finished: Path) -> None:
    sheet = Image.open(finished / "samples" / "samples_epoch_2.png")
    assert sheet.width == 3 * (32 + 4) + 4
    masked, original = sheet.crop((4, 4, 36, 36)), sheet.crop((76, 4, 108, 36))
    holes = np.asarray(masked)[(np.asarray(masked) != np.asarray(original)).any(axis=-1)]
    assert len(holes) > 0
    assert (holes == 255).all()


def test_the_configuration_of_the_run_is_kept(finished: Path, photos: Path) -> None:
    assert TrainConfig.from_toml(finished / "config.toml") == TrainConfig(
        data=photos, results_dir=finished, **{**SMALL, "sample_every": 1}
    )


def test_the_command_prints_the_guides_lines(photos: Path, tmp_path: Path) -> None:
    lines = run_onar("train", *flags(data=photos, results_dir=tmp_path / "results", **SMALL)).out.splitlines()
    assert lines[0] == "Epoch 1/2"
    assert re.fullmatch("Epoch 1 average: " + ", ".join(rf"{name}: \d+\.\d{{4}}" for name in LOSSES), lines[1])
    assert lines[2].startswith("Validation: PSNR ")


def test_a_seed_gives_the_same_weights_whatever_the_workers(finished: Path, photos: Path, tmp_path: Path) -> None:
    train_small(photos, tmp_path, num_workers=2)
    assert_same_weights(finished, tmp_path)


def test_another_seed_gives_other_weights(finished: Path, photos: Path, tmp_path: Path) -> None:
    one, other = state(finished / "generator_final.pth"), state(train_small(photos, tmp_path, epochs=1, seed=7))
    assert not torch.equal(one["encoder.0.conv.weight"], other["encoder.0.conv.weight"])


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_to_the_same_weights(number: int, finished: Path, photos: Path, tmp_path: Path) -> None:
    results = tmp_path / "stopped"
    command = train_command(data=photos, results_dir=results, **SMALL | {"num_workers": 1})
    with Process(*command, start_new_session=True) as process:
        assert process.stdout.readline() == "Epoch 1/2\n"
        os.killpg(process.pid, number)  # terminals and schedulers signal the reading processes, too
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "The same command goes on" in errors
    assert not (results / "generator_final.pth").exists()
    stopped_after = records(results, "step")[-1]["step"]
    assert stopped_after < 6
    assert f"Going on after step {stopped_after}" in run_process(*command).stdout
    assert_same_weights(finished, results)
    assert [record["step"] for record in records(results, "step")] == [1, 2, 3, 4, 5, 6]


def test_ctrl_c_during_the_last_step_takes_nothing_from_the_run(photos: Path, tmp_path: Path) -> None:
    with stopped_in(GAN, "step"):
        assert train_small(photos, tmp_path, max_steps=1).exists()
    assert (tmp_path / "samples" / "samples_epoch_1.png").exists()
    assert [record["step"] for record in records(tmp_path, "epoch")] == [1]


def test_a_finished_run_is_not_overwritten_unless_asked(finished: Path, photos: Path, tmp_path: Path) -> None:
    results = shutil.copytree(finished, tmp_path / "results")
    before = (results / "generator_final.pth").read_bytes()
    with pytest.raises(OnarError, match=r"holds a finished run.*resume never"):
        train_small(photos, results)
    with pytest.raises(UsageError, match=r"learning_rate_g was 0.0001, is 0.01"):
        train_small(photos, results, learning_rate_g=0.01)
    assert (results / "generator_final.pth").read_bytes() == before
    assert train_small(photos, results, resume="never", epochs=1).read_bytes() != before


def test_a_named_checkpoint_goes_on_in_another_folder(finished: Path, photos: Path, tmp_path: Path) -> None:
    train_small(photos, tmp_path, resume=str(finished / "checkpoints" / "step_00000003.pt"))
    assert_same_weights(finished, tmp_path)


def test_a_finished_run_is_trained_for_longer(finished: Path, photos: Path, tmp_path: Path) -> None:
    results = shutil.copytree(finished, tmp_path / "results")
    with pytest.raises(UsageError, match=r"epochs was 2, is 3.*train it for longer with resume (\S+),") as error:
        train_small(photos, results, epochs=3)
    train_small(photos, results, epochs=3, resume=re.search(r"resume (\S+),", str(error.value))[1])
    train_small(photos, tmp_path / "at once", epochs=3)
    assert_same_weights(tmp_path / "at once", results)
    assert [record["epoch"] for record in records(results, "epoch")] == [1, 2, 3]


def test_a_run_that_ended_within_an_epoch_goes_on_with_its_rest(finished: Path, photos: Path, tmp_path: Path) -> None:
    train_small(photos, tmp_path, max_steps=4)
    train_small(photos, tmp_path, resume=tmp_path / "checkpoints" / "step_00000004.pt")
    assert_same_weights(finished, tmp_path)
    for kind in ("step", "epoch"):
        ours, whole = ([record["step"] for record in records(run, kind)] for run in (tmp_path, finished))
        assert ours == whole
    assert records(tmp_path, "epoch")[-1]["Pixel_loss"] == pytest.approx(records(finished, "epoch")[-1]["Pixel_loss"])


def test_a_file_that_is_no_checkpoint_is_refused(finished: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(OnarError, match="is not a checkpoint of a run"):
        train_small(photos, tmp_path, resume=str(finished / "generator_final.pth"))


def test_max_steps_ends_a_run_in_the_middle_of_an_epoch(photos: Path, tmp_path: Path) -> None:
    assert train_small(photos, tmp_path, max_steps=4).exists()
    assert [record["step"] for record in records(tmp_path, "epoch")] == [3, 4]


def test_fine_tuning_starts_from_weights_and_freezes_encoder_norm(finished: Path, photos: Path, tmp_path: Path) -> None:
    start = finished / "generator_final.pth"
    before = state(start)
    after = state(train_small(photos, tmp_path, epochs=1, init_weights=start, freeze_batch_norm=True))
    frozen = [name for name in before if name.startswith("encoder") and "norm" in name]
    assert frozen
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not torch.equal(before["decoder.0.norm.running_mean"], after["decoder.0.norm.running_mean"])


def test_fine_tuning_starts_from_the_bundled_weights(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = {"img_size": 64, "base_channels": 32, "depth": 6, "base_fill": "pyramid"}
    settings = {**theirs, "max_steps": 1, "learning_rate_g": 1e-9, "init_weights": Path("bundled")}
    before, after = load_generator(bundled_weights()).state_dict(), state(train_small(photos, tmp_path, **settings))
    weights = [name for name in before if name.endswith("weight")]
    assert weights
    for name in weights:
        torch.testing.assert_close(after[name], before[name], atol=1e-6, rtol=0)
    said = capsys.readouterr().out
    assert "correction window of 17 pixels" in said
    assert "`onar export --correction_window 17`" in said


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_weights_that_a_run_starts_from_are_validated_before_the_first_step(
    photos: Path, tmp_path: Path, share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    start = train_small(photos, tmp_path / "first", max_steps=2, val_share=0.2)
    assert "Before the first step" not in capsys.readouterr().out
    train_small(photos, tmp_path / "second", max_steps=1, val_share=share, init_weights=start)
    found, said = records(tmp_path / "second", "validation"), capsys.readouterr().out
    assert said.count("Before the first step. Validation: PSNR") == len(found) == (share > 0)
    for record in found:
        assert record["step"] == 0
        assert record["validation"].keys() > {"onar", "Telea"}
        last = records(tmp_path / "first", "epoch")[-1]["validation"]["onar"]
        assert record["validation"]["onar"] == pytest.approx(last, rel=1e-6)


def test_every_option_of_the_networks_and_losses_trains(photos: Path, tmp_path: Path) -> None:
    extra = {
        "epochs": 1, "img_size": (32, 64), "batch_size": 2,
        "base_fill": "pyramid", "discriminator": "local", "accumulation_steps": 2, "ema_decay": 0.9,
        "mixed_precision": "bf16", "lambda_style": 1.0, "lambda_tv": 0.1, "hole_weight": 6.0,
        "lr_schedule": "cosine", "warmup_steps": 2, "mask_type": "rectangle", "hole_ratio": (0.1, 0.5),
        "photos_per_epoch": 13, "track": "tensorboard",
    }  # fmt: skip
    train_small(photos, tmp_path, **extra)
    epoch = records(tmp_path, "epoch")[0]
    assert epoch["Style_loss"] > 0
    assert epoch["TV_loss"] > 0
    assert epoch["step"] == 4  # 13 photos in pairs are 7 batches, two to a step
    assert list((tmp_path / "tensorboard").glob("events.*"))


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_validation_scores_are_those_of_the_kept_weights(ema_decay: float, photos: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        **{**SMALL, "epochs": 1, "lambda_content": 0.0}, data=photos, results_dir=tmp_path,
        learning_rate_g=0.01, ema_decay=ema_decay, mixed_precision="bf16",
    )  # fmt: skip
    train(config)
    held_out = load_held_out(find_training_data(config).held_out, 32, 32, mask_source(config), config.seed)
    kept = complete_with(load_generator(tmp_path / "generator_final.pth"))
    logged = records(tmp_path, "epoch")[-1]["validation"]["onar"]
    assert logged == pytest.approx(score_completer(kept, held_out, 4), rel=1e-6)


def test_gradient_checkpointing_gives_the_same_weights(finished: Path, photos: Path, tmp_path: Path) -> None:
    train_small(photos, tmp_path, gradient_checkpointing=True)
    assert_same_weights(finished, tmp_path)


@pytest.mark.soak  # minutes of compiling
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_networks_learn_what_plain_ones_learn(finished: Path, photos: Path, tmp_path: Path) -> None:
    settings = {"lambda_content": 0, "max_steps": 1}
    plain, compiled = (state(train_small(photos, tmp_path / f"{on}", **settings, compile=on)) for on in (False, True))
    assert plain.keys() == compiled.keys()
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, atol=3e-4, rtol=1e-3)  # Adam's first step is 1e-4 at most


OUT_OF_MEMORY = """
import resource, sys
import onar.training.gan.verb, onar.cli
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20, used + 400 * 2**20))
onar.cli.main(sys.argv[1:])
"""


@pytest.mark.process
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits the address space as Linux does")
def test_running_out_of_memory_names_three_ways_out(photos: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "lambda_content": 0, "img_size": 256, "batch_size": 16, "base_channels": 64}
    run = run_process("-c", OUT_OF_MEMORY, "train", *flags(data=photos, results_dir=tmp_path, **settings), code=1)
    line = run.stderr.strip().splitlines()[-1]
    assert line.startswith("onar: out of memory at --batch_size 16, --img_size 256: --batch_size 8 --accumulation_st")
    assert "--gradient_checkpointing" in line
    assert "--mixed_precision auto" in line


@pytest.mark.soak
def test_bf16_learns_as_fp32_does(tmp_path: Path) -> None:
    """Over 300 steps the loss curves of bf16 and fp32 differ by no more than those of two seeds."""
    settings = {"img_size": 64, "batch_size": 8, "base_channels": 16, "epochs": 100, "max_steps": 300}
    settings |= {"base_fill": "pyramid", "learning_rate_g": 1e-3, "lambda_content": 0.1}
    curves = {}
    for name, changes in {"fp32": {}, "seed": {"seed": 1}, "bf16": {"mixed_precision": "bf16"}}.items():
        train_small(PHOTOS, tmp_path / name, **settings, **changes)
        losses = np.array([record["G_loss"] for record in records(tmp_path / name, "step")])
        curves[name] = losses.reshape(10, 30).mean(axis=1)
    of_precision, of_seed = (np.abs(curves[name] - curves["fp32"]).mean() for name in ("bf16", "seed"))
    print(f"mean distance of the loss curves: bf16 {of_precision:.5f}, another seed {of_seed:.5f}")
    assert of_precision < of_seed


def test_photos_of_one_name_up_to_a_colon_are_all_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older = Progress.from_state({"skipped": {"1999.jpg": "cut off"}})  # as checkpoints once had it
    run = SimpleNamespace(progress=older, results=Results(tmp_path))
    run.results.write_skipped(older.skipped)  # as a run that goes on does
    for name in ("1999.jpg", "2024: a.jpg", "2024: b.jpg", "2024: a.jpg"):
        note_skipped(run, f"{name}: cut off")
    listed = ["1999.jpg: cut off", "2024: a.jpg: cut off", "2024: b.jpg: cut off"]
    assert (run.progress.skipped, run.results.skipped.read_text().splitlines()) == (listed, listed)
    assert "".join(capsys.readouterr()).count("Skipped 2024: ") == 2


def test_a_truncated_photo_is_skipped_named_once_and_listed(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    good = next((tmp_path / "photos").glob("*.jpg"))
    (tmp_path / "photos" / "cut off.jpg").write_bytes(good.read_bytes()[:800])
    Image.new("RGB", (1, 1)).save(tmp_path / "photos" / "dot.png")
    settings = {**SMALL, "data": tmp_path / "photos", "num_workers": 1, "val_share": 0}
    said = run_onar("train", *flags(**settings, results_dir=tmp_path / "results"))
    assert said.err.count("cut off.jpg") + said.out.count("cut off.jpg") == 1
    assert "cut off.jpg" in (tmp_path / "results" / "skipped.txt").read_text()
    last = records(tmp_path / "results", "epoch")[-1]
    assert (last["skipped"], last["upscaled"]) == (1, 1)
    assert "1 photos are smaller than the crops and were enlarged" in said.out
    assert "validation" not in last


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_term(photos: Path, tmp_path: Path) -> None:
    # One step to an epoch, so that there is a checkpoint of the step before.
    with one_line(r"step \d+: \w+_loss is (nan|inf).*checkpoint is .*step_\d+\.pt"):
        train_small(photos, tmp_path, epochs=20, photos_per_epoch=4, learning_rate_g=1e30)


class TestBadInput:
    """Each ends with one line and a non-zero exit, and leaves nothing behind."""

    def test_no_folder(self, tmp_path: Path) -> None:
        assert "nowhere is not there" in refusal("train", "--data", tmp_path / "nowhere", code=1)
        assert "nowhere is not there" in refusal("check", tmp_path / "nowhere", code=1)

    def test_empty_folder(self, tmp_path: Path) -> None:
        assert "found no files at all" in refusal("train", "--data", tmp_path, code=1)
        assert not list(tmp_path.iterdir())

    def test_folder_of_text_files(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("no photo")
        assert "found 1 files: 1 .txt" in refusal("train", "--data", tmp_path, code=1)
        (tmp_path / "notes.txt").unlink()
        (tmp_path / "photo.jpg").write_text("no photo either")
        settings = flags(data=tmp_path, results_dir=tmp_path / "results", **SMALL)
        assert "none of the 1 photos could be read" in refusal("train", *settings, code=1)

    def test_wrong_toml_key(self, tmp_path: Path) -> None:
        (tmp_path / "wrong.toml").write_text("epcohs = 3\n")
        said = refusal("train", "--config", tmp_path / "wrong.toml")
        assert "epcohs" in said
        assert "epochs" in said.replace("epcohs", "")

    def test_unwritable_results_folder(self, photos: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        settings = flags(data=photos, **{**SMALL, "results_dir": tmp_path / "file" / "results"})
        assert "cannot write to --results_dir" in refusal("train", *settings, code=1)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            *((f"--{name}=-3", f"--{name} must be at least") for name in ("batch_size", "img_size", "epochs")),
            *((f"--{name}=-3", f"--{name} must be at least") for name in ("num_workers", "max_thickness")),
            ("--img_size large", "256x512"),
            ("--img_size 48 --depth 6", "--depth 5 or less"),
            ("--config none.toml", "no such file"),
            ("--epcohs 3", "Did you mean --epochs"),
            ("--mask_type blob", ", ".join(f'"{name}"' for name in MASK_TYPES)),
        ],
    )
    def test_wrong_flag(self, words: str, said: str) -> None:
        assert said in refusal("train", *words.split())

    def test_vgg16_without_net_or_cache(self, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        settings = flags(**{**SMALL, "data": photos, "results_dir": tmp_path / "results", "content_network": "vgg16"})
        said = refusal("train", *settings, code=1)
        assert "--content_weights" in said
        assert "efficientnet_lite0" in said
        assert str(tmp_path) in said

    def test_no_gpu(self) -> None:
        if torch.cuda.is_available():
            pytest.skip("this machine has a CUDA device")
        assert "--device auto" in refusal("train", "--data", PHOTOS, "--device", "cuda")
        assert "use auto" in refusal("train", "--data", PHOTOS, "--mixed_precision", "fp16")


def test_a_size_that_the_depth_does_not_divide_trains(photos: Path, tmp_path: Path) -> None:
    assert train_small(photos, tmp_path, img_size=(36, 50), epochs=1).exists()


@pytest.mark.process
def test_the_example_script_trains(photos: Path, tmp_path: Path) -> None:
    script = SCRIPT.read_text()
    small = {"BATCH_SIZE": 4, "NUM_WORKERS": 0, "EPOCHS": 1, "IMG_SIZE": (32, 32), "LAMBDA_CONTENT": 0.0, "DEPTH": 3}
    for name, value in small.items():
        script, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", script)
        assert count == 1, name
    script = script.replace("batch_size=BATCH_SIZE", "batch_size=BATCH_SIZE, base_channels=4")
    shutil.copytree(photos, tmp_path / "data")
    run_process("-c", script, cwd=tmp_path, code=0)
    assert (tmp_path / "inpainting_results" / "generator_final.pth").exists()
    said = run_process("-c", script.replace("EPOCHS = 1", "EPOCHS = 2"), cwd=tmp_path, code=1).stderr
    assert re.fullmatch(
        r".*\(EPOCHS was 1, is 2\): train it for longer with RESUME \S+, choose another RESULTS_DIR, or replace that "
        r"run with RESUME never\n",
        said,
    )


@pytest.mark.parametrize("recipe", sorted(recipes()))
def test_every_recipe_trains(recipe: str, photos: Path, tmp_path: Path) -> None:
    """The recipe's own settings, made small where only size matters."""
    small = {name: SMALL[name] for name in ("batch_size", "num_workers", "base_channels", "device", "content_network")}
    size = {"img_size": 64, "depth": 5, "epochs": 1, "max_steps": 1, "discriminator_channels": 4}
    if TrainConfig.from_toml(recipe).mixed_precision == "fp16":  # needs a GPU
        size["mixed_precision"] = "auto"
    assert train(TrainConfig.from_toml(recipe, data=photos, results_dir=tmp_path, **small, **size)).exists()


def test_a_second_training_in_a_process_is_refused_and_leaves_the_first_alone(photos: Path, tmp_path: Path) -> None:
    settings = {"lambda_content": 0.0, "epochs": 1}
    expected = train_small(photos, tmp_path / "alone", **settings)
    refusals = []

    def intrude(_record: object) -> None:
        with pytest.raises(OnarError, match="another training is running in this process"):
            train_small(photos, tmp_path / "second", **settings)
        refusals.append(True)

    class Intruded(Results):
        def append(self, record: dict) -> None:
            thread = Thread(target=intrude, args=[record])
            thread.start()
            thread.join()
            super().append(record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onar.training.gan.verb.Results", Intruded)
        found = train_small(photos, tmp_path / "first", **settings)
    assert refusals
    assert all(torch.equal(value, state(found)[name]) for name, value in state(expected).items())
    assert not (tmp_path / "second").exists()


def test_sheets_and_curves_are_drawn_as_often_as_asked_and_at_the_end(photos: Path, tmp_path: Path) -> None:
    train_small(photos, tmp_path, lambda_content=0.0, photos_per_epoch=1, epochs=5, sample_every=2)
    assert {path.name for path in tmp_path.rglob("*.png")} == {
        f"{name}_epoch_{epoch}.png" for name in ("samples", "loss_curves", "validation_curves") for epoch in (2, 4, 5)
    }


@pytest.mark.parametrize("names", [(), ("Style_loss",), ("Style_loss", "TV_loss"), ("Another_loss",)])
def test_every_loss_in_the_log_has_a_curve(names: tuple[str, ...], tmp_path: Path) -> None:
    values = dict.fromkeys((*LOSSES, *names), 0.5)
    figures = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onar.training.curves._save", lambda figure, _path: figures.append(figure))
        save_loss_curves(tmp_path / "curves.png", [{"kind": "epoch", "epochs_done": 1.0, **values}])
    assert [axes.get_title() for axes in figures[0].axes if axes.get_visible()] == [*LOSSES, *names]
    assert all(axes.lines for axes in figures[0].axes if axes.get_visible())


def test_in_a_log_a_bar_is_a_few_lines_however_many_steps_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with training_bar(total=1000) as bar:
        for number in range(1000):
            bar.set_postfix({"D_loss": number}, refresh=False)
            bar.update()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= 2
    assert "1000/1000" in lines[-1]
    assert "D_loss=999" in lines[-1]


def test_tensorboard_forgets_what_a_killed_run_had_written_after_its_checkpoint(photos: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_small(photos, tmp_path, lambda_content=0.0, track="tensorboard")
    for name in ("generator_final.pth", *(f"checkpoints/{path.name}" for path in (tmp_path / "checkpoints").iterdir())):
        if not name.endswith("step_00000003.pt"):
            (tmp_path / name).unlink()
    train_small(photos, tmp_path, lambda_content=0.0, track="tensorboard")
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("step/G_loss")] == [1, 2, 3, 4, 5, 6]


def test_losses_go_to_wandb_when_asked(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    train_small(photos, tmp_path, lambda_content=0.0, epochs=1, track="wandb")
    kinds = (b"step/", b"epoch/", b"validation/onar/")
    wait_until(lambda: all(kind in wandb_log(tmp_path / "wandb") for kind in kinds))  # wandb writes in its own process


def wandb_log(folder: Path) -> bytes:
    """The records of all runs; blocks of 32 KiB begin with a header of 7 bytes, which may divide a name."""
    logs = [path.read_bytes() for path in folder.glob("offline-run-*/*.wandb")]
    return b"".join(log[start + 7 : start + 32768] for log in logs for start in range(0, len(log), 32768))
