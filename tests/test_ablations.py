"""The ablations: interrupted runs are resumed, and the page reports the scores."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import tomli_w

from benchmarks.ablations.__main__ import main
from benchmarks.ablations.page import NOTES, write_page
from benchmarks.ablations.running import Places, measure_steps
from benchmarks.ablations.study import Study, check_study, folder_of, read_study, report_of
from benchmarks.ablations.variants import VARIANTS
from onar import TrainConfig, train
from onar.errors import UsageError
from onar.settings.recipes import recipes
from onar.training.results_folder import Results
from tests.conftest import REPOSITORY
from tests.support.runs import SMALL, assert_same_weights, wait_until

LAPTOP = str(recipes()["laptop"])


def study(*variants: str, base: str = LAPTOP, mask_sets: Sequence[str] = ("generated",), **settings: object) -> Study:
    defaults = {"steps": 4, "batch_size": 2, "masks_per_range": 1, "seeds": (0, 1), "processor": "a processor"}
    return Study(base=base, mask_sets=mask_sets, variants=("base", *variants), **{**defaults, **settings})


def write_scores(results: Path, name: str, pairs: Sequence[tuple[float, float, float]]) -> None:
    """Write the results of one variant, a run for each (PSNR in holes, SSIM, ST-LPIPS)."""
    variant = next(one for one in VARIANTS if one.name == name)
    for seed, (psnr_hole, ssim, st_lpips) in enumerate(pairs):
        scores = {"psnr_hole": psnr_hole, "ssim": ssim, "st_lpips": st_lpips}
        images = [{"photo": f"{number}.jpg"} for number in range(3)]
        report = {"overall": {"count": 3, "scores": {"onar": scores}}, "images": images}
        path = report_of(results, variant, seed, "generated")
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(report))
        log = Results(folder_of(results, variant, seed)).log
        epoch = {"kind": "epoch", "epoch": 1, "step": 1, "seconds": 120.0, "images_per_second": 0.5}
        log.write_text(json.dumps(epoch) + "\n")


def section(page: str, heading: str) -> str:
    return page.split(f"**{heading}")[1].split("**")[1].split("\n\n")[1].strip()


def test_the_page_distinguishes_gains_from_noise_of_seeds(tmp_path: Path) -> None:
    write_scores(tmp_path, "base", [(20.0, 0.80, 0.30), (20.2, 0.80, 0.30)])
    write_scores(tmp_path, "rotation", [(20.9, 0.80, 0.30), (20.7, 0.80, 0.30)])  # better with it
    write_scores(tmp_path, "no_average", [(19.1, 0.80, 0.31), (19.3, 0.80, 0.29)])  # worse without it
    write_scores(tmp_path, "style", [(18.0, 0.80, 0.10), (18.0, 0.80, 0.10)])  # less like the photo, nicer
    write_scores(tmp_path, "blur", [(19.9, 0.70, 0.30), (20.3, 0.70, 0.30)])  # worse with it
    write_scores(tmp_path, "jpeg", [(20.1, 0.80, 0.30), (20.1, 0.80, 0.30)])
    page = write_page(study("rotation", "no_average", "style", "blur", "jpeg"), tmp_path)
    assert "Not finished" not in page
    assert "| `base` | as it is | 20.10 | 0.8000 | 0.3000 |" in page
    assert "| `no_average` | `ema_decay` 0.0 | 19.20 (-0.90) |" in page
    pooled = ((0.1**2 * 3 + 0.2**2) / 6) ** 0.5
    assert f"| pooled spread |  | {pooled:.2f} | 0.0000 | {(0.01**2 / 6) ** 0.5:.4f} |" in page
    gains = section(page, "Gains more")
    gain = f"PSNR in holes (dB) +0.70 ({0.7 / pooled:.1f}"
    assert f"rotation augmentation (`augment_rotation` 10.0): {gain}" in gains
    assert "EMA of the weights (without it: `ema_decay` 0.0): PSNR in holes (dB)" in gains
    assert "+0.90" in gains
    assert section(page, "Gains in one").startswith("- style loss")
    assert "ST-LPIPS -0.2000" in section(page, "Gains in one")
    assert section(page, "Loses").startswith("- blur augmentation")
    assert section(page, "Differs") == "- JPEG augmentation (`augment_jpeg` 50)"


def test_the_part_written_by_hand_stays_when_the_page_is_written_again(tmp_path: Path) -> None:
    results, page = tmp_path / "results", tmp_path / "page.md"
    study("rotation").write(results)
    again = ["--results", str(results), "--output", str(page)]
    assert main(again) == 0
    generated = page.read_text()
    notes = f"\n{NOTES}\n\n## A trial\n\nIt gained nothing.\n"
    page.write_text(generated.replace("# Ablations", "# Of another study") + notes)
    for _ in range(2):
        assert main(again) == 0
        assert page.read_text() == generated + notes


def test_the_page_says_what_is_missing_and_does_not_judge_it(tmp_path: Path) -> None:
    chosen = study("rotation", "style")
    empty = write_page(chosen, tmp_path)
    assert "Missing are 6 of 6 runs" in empty
    assert "Not judged yet, because runs are missing: style loss, rotation augmentation." in empty
    write_scores(tmp_path, "base", [(20.0, 0.8, 0.3), (20.2, 0.8, 0.3)])
    write_scores(tmp_path, "rotation", [(25.0, 0.8, 0.3)])
    page = write_page(chosen, tmp_path)
    assert "Missing are 3 of 6 runs: `style` seed 0, `style` seed 1, `rotation` seed 1." in page
    assert "| `style` | `lambda_style` 10.0 | missing | missing | missing |" in page
    assert "| 25.00 (a seed is missing) |" in page
    assert "Not judged yet, because runs are missing: style loss, rotation augmentation." in page
    assert section(page, "Gains more") == "- none"


def test_an_option_is_judged_beside_the_run_that_it_differs_from(tmp_path: Path) -> None:
    write_scores(tmp_path, "base", [(20.0, 0.80, 0.30), (20.2, 0.80, 0.30)])
    write_scores(tmp_path, "strong_adversarial", [(18.0, 0.80, 0.30), (18.2, 0.80, 0.30)])
    write_scores(tmp_path, "strong_local", [(19.0, 0.80, 0.30), (19.2, 0.80, 0.30)])
    page = write_page(study("strong_adversarial", "strong_local"), tmp_path)
    changed = "`discriminator` local, beside `strong_adversarial`"
    assert f"| `strong_local` | {changed} | 19.10 (+1.00) |" in page
    gain = f"patch discriminator, with higher adversarial loss ({changed}): PSNR in holes (dB)"
    assert gain in section(page, "Gains more")
    alone = write_page(study("strong_local"), tmp_path)
    others = "VGG16 as the content network, style loss, .*higher adversarial loss, "
    assert re.search(f"Not compared here: .*{others}", alone)
    assert "Not judged yet, because runs are missing: patch discriminator, with higher adversarial loss." in alone


def test_each_variant_differs_from_the_run_beside_in_one_setting_and_sees_the_same_photos_in_a_step() -> None:
    everything = study(*(variant.name for variant in VARIANTS[1:]))
    check_study(everything)
    settings = {variant.name: everything.settings(variant, 0) for variant in everything.chosen()}
    configs = {name: TrainConfig.from_toml(Path(LAPTOP), **changes) for name, changes in settings.items()}
    for variant in VARIANTS[1:]:
        beside, config = configs[variant.compared_with], configs[variant.name]
        before, after = beside.to_plain(), config.to_plain()
        differing = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert differing - {"batch_size"} == set(variant.own)
        assert (len(variant.own), config.batch_size * config.accumulation_steps) == (1, beside.batch_size)


def test_runs_of_equal_cpu_time_have_steps_of_their_own(tmp_path: Path) -> None:
    steps = {"base": 9, "rotation": 7}
    equal = study("rotation", cpu_minutes=0.5, measured_steps=steps)
    for variant in equal.chosen():
        settings = equal.settings(variant, 0)
        assert (settings["max_steps"], settings["photos_per_epoch"]) == (steps[variant.name], 2 * steps[variant.name])
    assert "with as many steps of 2 photos as take 0.5 CPU minutes, from random" in write_page(equal, tmp_path)
    equal.write(tmp_path)
    assert read_study(tmp_path).measured_steps == steps
    with pytest.raises(UsageError, match="--cpu_minutes must be above 0, not 0"):
        check_study(study(cpu_minutes=0))


@pytest.mark.process
@pytest.mark.soak
def test_the_steps_that_take_a_cpu_time_are_measured(photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(tomli_w.dumps(SMALL))
    chosen, places = study("rotation", base=str(recipe)), Places(photos, photos, None, tmp_path / "results")
    one, ten = (measure_steps(chosen, places, VARIANTS[0], minutes) for minutes in (1, 10))
    assert 100 < one < 100_000
    assert 5 < ten / one < 20
    assert not places.results.exists()


def test_what_cannot_be_compared_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('mask_type = "mixed"\n')
    with pytest.raises(UsageError, match=r"has mask_type mixed already: leave mixed_masks out of --variants"):
        check_study(study("mixed_masks", base=str(recipe)))
    with pytest.raises(UsageError, match="not 'nothing'"):
        check_study(study("nothing"))
    with pytest.raises(UsageError, match="--batch_size must be even"):
        check_study(study(batch_size=3))
    assert main(["--results", str(tmp_path / "nowhere")]) == 1
    assert "no ablations in" in capsys.readouterr().err
    assert main(["--data", "photos"]) == 1
    assert "--val FOLDER" in capsys.readouterr().err


@pytest.mark.process
@pytest.mark.soak
def test_ablations_that_were_stopped_go_on_and_what_is_done_is_not_done_again(photos: Path, tmp_path: Path) -> None:
    recipe, results, page = tmp_path / "recipe.toml", tmp_path / "results", tmp_path / "page.md"
    recipe.write_text(tomli_w.dumps({**SMALL, "ema_decay": 0.9}))
    places = {"data": photos, "val": photos, "results": results, "output": page, "base": recipe}
    flags = [text for name, value in places.items() for text in (f"--{name}", str(value))]
    flags += ["--steps", "40", "--batch_size", "4", "--masks_per_range", "1", "--seeds", "3"]
    flags += ["--variants", "no_average"]
    command = [sys.executable, "-m", "benchmarks.ablations", *flags]
    base, other = results / "base" / "seed_3", results / "no_average" / "seed_3"

    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: process.poll() is not None or any(one["kind"] == "step" for one in Results(base).records()))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (130, "Stopped; the same command continues.\n")
    assert not Results(other).folder.exists()

    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main(flags) == 0
        scores = [folder / "scores_generated.json" for folder in (base, other)]
        written = [path.stat().st_mtime_ns for path in scores]
        text = page.read_text()
        assert "Not finished" not in text
        assert text.count("| 160 |") == 2
        page.unlink()
        assert main(flags) == 0  # nothing is left to do but the page
        assert ([path.stat().st_mtime_ns for path in scores], page.read_text()) == (written, text)
        assert main([*flags, "--steps", "41"]) == 1
    finally:
        signal.signal(signal.SIGTERM, before)

    settings = {**SMALL, "ema_decay": 0.9, "epochs": 1, "photos_per_epoch": 160, "max_steps": 40, "val_share": 0}
    train(TrainConfig(data=photos, results_dir=tmp_path / "reference", seed=3, **settings))
    assert_same_weights(base, tmp_path / "reference")
