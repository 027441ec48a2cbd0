from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import onar
from onar import PConvUNet
from onar.checkpoint import save_weights
from onar.errors import OnarError, UsageError
from onar.evaluation.methods import name_fills
from onar.evaluation.verb import write_pairs
from onar.imaging.images import EightBits
from onar.metrics.baselines import telea
from tests.conftest import PHOTOS
from tests.evaluation.conftest import SIZE
from tests.support.runs import run_onar

evaluate = partial(onar.evaluate, weights="pyramid")


@pytest.fixture(scope="module")
def pairs(photos: Path, masks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "pairs"
    assert write_pairs(photos, folder, masks=masks) == 5
    return folder


def fill_all(pairs: Path, folder: Path, change: Callable[[EightBits], EightBits] = lambda filled: filled) -> Path:
    """Fill every pair as another program would: Telea's fill, changed."""
    folder.mkdir()
    for path in (pairs / "photos").iterdir():
        photo, mask = np.array(Image.open(path)), np.array(Image.open(pairs / "masks" / path.name))
        Image.fromarray(change(telea(photo, mask))).save(folder / path.name)
    return folder


# ---------------------------------------------------------------- pairs as files
def test_pairs_are_what_every_method_sees(pairs: Path, photos: Path, masks: Path) -> None:
    seen = []

    def remember(photo: EightBits, mask: EightBits) -> EightBits:
        seen.append((photo, mask))
        return photo

    evaluate(photos, masks=masks, methods={"remember": remember})
    files = sorted(path.name for path in (pairs / "photos").iterdir())
    assert [name[:5] for name in files] == ["0001_", "0002_", "0003_", "0004_", "0005_"]
    assert files == sorted(path.name for path in (pairs / "masks").iterdir())
    for name, (photo, mask) in zip(files, seen, strict=False):  # the examples are seen once more
        np.testing.assert_array_equal(np.array(Image.open(pairs / "photos" / name)), photo)
        np.testing.assert_array_equal(np.array(Image.open(pairs / "masks" / name)), mask)


def test_pairs_go_to_a_new_folder_elsewhere_or_nowhere(photos: Path, masks: Path, tmp_path: Path) -> None:
    data = shutil.copytree(photos, tmp_path / "data")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("mine")
    for folder, words in {data: "both", data / "pairs": "is in data", tmp_path / "full": "not empty"}.items():
        with pytest.raises(UsageError, match=words):
            write_pairs(data, folder, masks=masks)
    specks = tmp_path / "specks"
    specks.mkdir()
    speck = Image.new("L", (400, 400))
    speck.putpixel((1, 1), 255)
    speck.save(specks / "lost_when_fitted.png")
    with pytest.raises(OnarError, match="no pair could be written"):
        write_pairs(data, tmp_path / "new", masks=specks)
    assert not (tmp_path / "new").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "full", "specks"]


# ---------------------------------------------------------------- fills
def test_fills_from_a_folder_score_what_the_function_that_made_them_scores(
    pairs: Path, photos: Path, masks: Path, tmp_path: Path
) -> None:
    fills = fill_all(pairs, tmp_path / "their_telea")
    found = evaluate(photos, masks=masks, methods={"telea": telea}, fills=fills, features="efficientnet_lite0")
    assert list(found.methods) == ["pyramid", "telea", "their_telea"]
    for row in found.images:
        assert row.scores["their_telea"] == row.scores["telea"]
    assert found.sets.scores["their_telea"] == found.sets.scores["telea"]
    assert (found.fills["their_telea"].known_changed, found.skipped) == (0, ())


def test_changed_known_pixels_are_said_and_not_scored(pairs: Path, photos: Path, masks: Path, tmp_path: Path) -> None:
    def paint_a_row(filled: EightBits) -> EightBits:
        return np.concatenate([np.full_like(filled[:1], 0), filled[1:]])

    fills = fill_all(pairs, tmp_path / "painted", paint_a_row)
    found = evaluate(photos, masks=masks, methods={"telea": telea}, fills={"theirs": fills})
    inside = [row for row in found.images if "inside" in row.mask]
    assert len(inside) == 2
    for row in inside:  # the painted row is known
        assert row.scores["theirs"] == row.scores["telea"]
    assert found.fills["theirs"].known_changed > 1
    assert re.search(r"theirs: known pixels are changed in \d of 5 fills, by \d", str(found))


def test_a_pair_without_a_usable_fill_has_no_scores(pairs: Path, photos: Path, masks: Path, tmp_path: Path) -> None:
    fills = fill_all(pairs, tmp_path / "fills")
    first, second, third, fourth, _ = sorted(fills.iterdir())
    first.unlink()
    second.write_text("no picture")
    Image.open(third).resize((20, SIZE)).save(third)
    shutil.copy(fourth, fills / f"{fourth.stem}_again.png")
    shutil.copy(fourth, fills / "notes.png")
    found = evaluate(photos, masks=masks, fills=fills)
    assert [row.mask for row in found.images] == ["5_most.png"]
    assert set(found.images[0].scores) == {"pyramid", "fills"}
    words = [
        f"no pictures for {first.stem} .a.png with 1_small_inside.png.",
        f"{second.name}: not a picture",
        rf"{third.name} is 48 x 20 pixels .height x width., and its photo 48 x 48",
        f"several pictures for {fourth.stem} .*_again.png",
    ]
    assert len(found.skipped) == len(words)
    for said, line in zip(words, found.skipped, strict=True):
        assert line.startswith("fill of fills: ")
        assert re.search(said, line), line
    assert f"fills: no usable fill for 4 of 5 pairs, on which no method is scored: {first.stem}" in str(found)
    assert "fills: 1 pictures belong to no pair: notes.png" in str(found)
    assert found.masks_sha256 != evaluate(photos, masks=masks).masks_sha256


def test_fills_of_other_holes_are_never_taken_for_these(photos: Path, tmp_path: Path) -> None:
    write_pairs(photos, tmp_path / "pairs", masks_per_range=1, seed=1)
    fills = fill_all(tmp_path / "pairs", tmp_path / "fills")
    assert len(evaluate(photos, masks_per_range=1, seed=1, fills=fills).images) == 12
    for other in ({"seed": 2}, {"seed": 1, "img_size": 40}):
        with pytest.raises(OnarError, match="nothing could be scored: fill of fills: no pictures for 0001_"):
            evaluate(photos, masks_per_range=1, fills=fills, **other)


def test_a_fill_may_be_called_as_its_mask_file(photos: Path, masks: Path, pairs: Path, tmp_path: Path) -> None:
    fills = fill_all(pairs, tmp_path / "fills")
    for path, mask in zip(sorted(fills.iterdir()), sorted(masks.iterdir()), strict=True):
        Image.open(path).save(fills / f"{mask.stem}.bmp")
        path.unlink()
    found = evaluate(photos, masks=masks, methods={"telea": telea}, fills=fills)
    assert found.overall["fills"] == found.overall["telea"]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("out/lama", ["lama"]),
        (["out/lama", "out/mat"], ["lama", "mat"]),
        (["lama/out", "mat/out"], ["lama/out", "mat/out"]),
        (["LaMa=out/1", "out/mat.v2"], ["LaMa", "mat.v2"]),
        ({"x": "out/1", "y": "out/2"}, ["x", "y"]),
        (["./a=b/c"], ["c"]),
    ],
)
def test_methods_are_named_by_the_shortest_ends_of_paths_that_differ(given: object, names: list[str]) -> None:
    assert list(name_fills(given)) == names  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [["out", "./out"], ["a=out", "a=other"], ["=out"], ["a="]])
def test_names_that_are_unclear_are_refused(given: list[str]) -> None:
    with pytest.raises(UsageError, match=r"^fills "):
        name_fills(given)


def test_a_name_that_is_taken_is_refused(photos: Path, masks: Path, pairs: Path, tmp_path: Path) -> None:
    fills = fill_all(pairs, tmp_path / "pyramid")
    with pytest.raises(UsageError, match=r"^fills .*'pyramid': that name is taken: write NAME=DIR"):
        evaluate(photos, masks=masks, fills=fills)


def test_fills_in_the_photos_folder_are_no_photos(photos: Path, masks: Path, pairs: Path, tmp_path: Path) -> None:
    data = shutil.copytree(photos, tmp_path / "data")
    fill_all(pairs, data / "fills")
    assert len(evaluate(data, masks=masks, fills=data / "fills").images) == 5


# ---------------------------------------------------------------- several weights
def test_weights_of_one_name_are_distinguished_by_their_runs(photos: Path, masks: Path, tmp_path: Path) -> None:
    files = [tmp_path / run / "generator_final.pth" for run in ("run_1", "run_2")]
    for width, file in enumerate(files, start=1):
        file.parent.mkdir()
        save_weights(file, PConvUNet(base_channels=4 * width, depth=4))
    found = onar.evaluate(photos, masks=masks, weights=[*files, "pyramid"], texture="network")
    names = ["run_1/generator_final", "run_2/generator_final", "pyramid"]
    assert list(found.methods) == names
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert found.weights == dict(zip(names, [*digests, None], strict=True))
    assert found.weights_sha256 == digests[0]
    compared = [(one.method, one.reference) for one in found.differences_from_first]
    assert compared == [(names[1], names[0]), (names[2], names[0])]
    interval = found.differences[0].overall.scores["psnr"]
    assert interval.mean == pytest.approx(found.overall[names[1]]["psnr"] - found.overall[names[0]]["psnr"])
    assert "Differences from run_1/generator_final" in str(found)
    again = onar.evaluate(photos, masks=masks, weights=[*files, "pyramid"], texture="network")
    assert again.to_json() == found.to_json()


# ---------------------------------------------------------------- the command
def test_another_program_is_compared_in_three_commands(photos: Path, masks: Path, tmp_path: Path) -> None:
    same = ("evaluate", "--data", photos, "--masks", masks, "--img_size", "32x40")
    said = run_onar(*same, "--write_pairs", tmp_path / "pairs").out
    assert said == f"5 photos with holes, and their masks: {tmp_path / 'pairs'}\n"
    fill_all(tmp_path / "pairs", tmp_path / "a")
    fill_all(tmp_path / "pairs", tmp_path / "b", np.ascontiguousarray)
    output = tmp_path / "report.json"
    folders = ("--fills", tmp_path / "a", f"other={tmp_path / 'b'}")
    said = run_onar(*same, "--weights", "pyramid", *folders, "--output", output).out
    plain = json.loads(output.read_text(encoding="utf-8"))
    assert list(plain["methods"]) == ["pyramid", "a", "other"]
    a_and_other = plain["differences"][2]["overall"]["scores"]["psnr"]
    assert a_and_other == {"mean": 0, "low": None, "high": None}  # of three photos
    for text in (said, output.with_suffix(".html").read_text(encoding="utf-8")):
        assert "Differences from pyramid" in text
        assert re.search(r"[+-]\d+\.\d\d \[\?, \?\]", text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--output is missing"),
        (("--write_pairs", "pairs", "--baselines"), "--write_pairs alone scores nothing: leave out --baselines"),
        (("--write_pairs", "pairs", "--fills", "x"), "--write_pairs alone scores nothing: leave out --fills"),
        (("--output", "r.json", "--features_weights", "x.pth"), "--features_weights needs --features"),
        (("--output", "r.json", "--weights", "pyramid", "--weights", "pyramid"), "--weights names two methods"),
    ],
)
def test_wrong_use_is_one_line(
    photos: Path, masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = run_onar("evaluate", "--data", photos, "--masks", masks, *words, code=2).err
    assert said.splitlines()[-1].startswith(f"onar: {message}")
    assert not any(tmp_path.iterdir())


def test_intervals_of_enough_photos_are_in_the_table_and_on_the_page(tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    options = {"img_size": 32, "masks_per_range": 1, "count": 12, "output": output}
    found = evaluate(PHOTOS, methods={"grey": lambda photo, mask: photo}, **options)
    interval = found.differences[0].overall.scores["psnr"]
    assert interval.high < 0
    text = f"{interval.mean:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"
    assert text in str(found)
    assert f'<td class="best">{text}</td>' in output.with_suffix(".html").read_text(encoding="utf-8")
