from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import shutil
import sys
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import onar
from onar import PConvUNet
from onar.checkpoint import save_weights
from onar.errors import OnarError, UsageError
from onar.evaluation.pairs import GeneratedHoles, Group, MasksHash, generated_holes, group_of, reaches_border
from onar.evaluation.report import Report
from onar.evaluation.report_page import to_html
from onar.imaging.images import EightBits
from onar.masks.holes import HOLE_RATIO_RANGES, holes_from_mask
from onar.masks.shapes import HOLE
from onar.metrics.baselines import BASELINES, telea
from onar.metrics.scores import MAX_PSNR
from tests.evaluation.conftest import OFFLINE, SIZE
from tests.support.runs import flags, refusal, run_onar

evaluate = partial(onar.evaluate, weights="pyramid")  # quick, and what is tested here does not depend on it
PERFECT = {"psnr": MAX_PSNR, "psnr_hole": MAX_PSNR, "ssim": 1, "ssim_hole": 1, "l1": 0, "l1_hole": 0, "st_lpips": 0}


@pytest.fixture(scope="module")
def report(photos: Path, masks: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    output = tmp_path_factory.mktemp("report") / "report.json"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (OFFLINE | {"TORCH_HOME": str(output.parent)}).items():
            patch.setenv(name, value)
        found = evaluate(photos, masks=masks, baselines=True, features="efficientnet_lite0", output=output)
    return dataclasses.replace(found, protocol=found.protocol | {"written": str(output)})


def read(folder: Path, name: str) -> EightBits:
    return np.array(Image.open(folder / name).convert("RGB"))


# ---------------------------------------------------------------- pairs and groups
@pytest.mark.parametrize("border", [False, True])
@pytest.mark.parametrize("group", range(6))
@pytest.mark.parametrize("size", [(64, 64), (90, 57), (300, 420)])
def test_generated_holes_fall_into_their_group(group: int, border: bool, size: tuple[int, int]) -> None:
    for number in range(3):
        holes = GeneratedHoles(group, border, number, seed=7)
        mask = holes(*size)
        assert group_of(mask) == Group(HOLE_RATIO_RANGES[group], border)
        np.testing.assert_array_equal(mask, holes(*size))
        if not border:
            rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
            for side, found in zip(size, (rows, columns), strict=True):
                assert found[0] >= 0.1 * side
                assert found[-1] < 0.9 * side + 1


def test_every_group_gets_as_many_generated_masks() -> None:
    holes = generated_holes(4, seed=0)
    assert (len(holes), len({one.name for one in holes})) == (12 * 4, 48)
    assert len(generated_holes(None, seed=0)) == 120


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (9, 3)])
def test_photos_of_a_few_pixels_get_holes_too(size: tuple[int, int]) -> None:
    for holes in generated_holes(1, seed=0):
        mask = holes(*size)
        assert (mask.shape, mask.any()) == (size, True)


def test_ranges_include_their_upper_limit_and_not_their_lower() -> None:
    hole = np.zeros((100, 100), bool)
    hole.flat[5000 : 5000 + 1000] = True
    assert group_of(hole).range == (0.01, 0.1)
    hole.flat[6000] = True
    assert group_of(hole).range == (0.1, 0.2)
    assert group_of(np.zeros((10, 10), bool)).range is None
    assert group_of(np.ones((10, 10), bool)).range is None


def test_the_border_is_a_twentieth_of_the_side() -> None:
    hole = np.zeros((40, 200), bool)
    hole[2, 100] = True
    assert not reaches_border(hole)
    hole[1, 100] = True
    assert reaches_border(hole)
    hole = np.zeros((40, 200), bool)
    hole[20, 189] = True
    assert not reaches_border(hole)
    hole[20, 190] = True
    assert reaches_border(hole)


def test_real_masks_are_grouped_as_by_their_makers(shared_data: Path) -> None:
    from onar.imaging.images import read_mask

    for path in sorted((shared_data / "masks_irregular").glob("*/*.png"))[::40]:
        group = group_of(holes_from_mask(read_mask(path)))
        assert group.border == path.name.startswith("border")
        low, high = (int(part) / 100 for part in path.parent.name.split("_")[1:])
        assert group.range == (low, high)


def test_masks_and_photos_are_paired_in_turn(report: Report) -> None:
    assert [(row.photo, row.mask[0]) for row in report.images] == [
        ("a.png", "1"), ("b.png", "2"), ("c.png", "3"), ("a.png", "4"), ("b.png", "5"),
    ]  # fmt: skip


def test_masks_per_range_takes_some_files_of_each_group(photos: Path, masks: Path, tmp_path: Path) -> None:
    for copy in range(3):
        for path in masks.glob("*.png"):
            (tmp_path / f"{path.stem}_{copy}.png").write_bytes(path.read_bytes())
    (tmp_path / "broken.png").write_text("no mask")
    found = evaluate(photos, masks=tmp_path, masks_per_range=2, count=1)
    assert [row.mask[0] for row in found.images] == list("1122334455")
    assert ({row.photo for row in found.images}, len(found.skipped)) == ({"a.png"}, 1)
    assert "broken.png" in found.skipped[0]


# ---------------------------------------------------------------- scores
def test_buckets_hold_the_means_of_their_photos(report: Report) -> None:
    by_mask = {row.mask[0]: row for row in report.images}
    assert {mask: (row.range, row.border) for mask, row in by_mask.items()} == {
        "1": ((0.01, 0.1), False), "2": ((0.01, 0.1), True), "3": ((0.4, 0.5), False), "4": ((0.4, 0.5), True),
        "5": (None, True),
    }  # fmt: skip
    assert [(bucket.range, bucket.border, bucket.count) for bucket in report.buckets] == [
        ((0.01, 0.1), None, 2), ((0.01, 0.1), False, 1), ((0.01, 0.1), True, 1), ((0.4, 0.5), None, 2),
        ((0.4, 0.5), False, 1), ((0.4, 0.5), True, 1), (None, None, 1), (None, True, 1),
    ]  # fmt: skip
    small = report.bucket((0.01, 0.1))
    expected = (by_mask["1"].scores["telea"]["psnr"] + by_mask["2"].scores["telea"]["psnr"]) / 2
    assert small.scores["telea"]["psnr"] == pytest.approx(expected)
    mean = np.mean([row.scores["telea"]["psnr"] for row in report.images])
    assert report.overall["telea"]["psnr"] == pytest.approx(mean)


def test_scores_are_those_of_scikit_image(report: Report, photos: Path, masks: Path) -> None:
    for row in report.images:
        photo = read(photos, row.photo)
        hole = np.array(Image.open(masks / row.mask).resize((SIZE, SIZE), Image.Resampling.NEAREST)) > 127
        filled = telea(photo, hole)
        scores = row.scores["telea"]
        assert scores["psnr"] == pytest.approx(peak_signal_noise_ratio(photo, filled), abs=1e-4)
        assert scores["psnr_hole"] == pytest.approx(peak_signal_noise_ratio(photo[hole], filled[hole]), abs=1e-4)
        windows = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        similarity = structural_similarity(photo, filled, channel_axis=-1, **windows)
        assert scores["ssim"] == pytest.approx(similarity, abs=1e-4)
        assert scores["l1"] == pytest.approx(np.abs(photo.astype(float) - filled).mean() / 255, abs=1e-6)
        assert row.hole_share == pytest.approx(hole.mean())


def test_a_perfect_fill_gets_the_best_scores_there_are(photos: Path, masks: Path) -> None:
    originals = [read(photos, name) for name in ("a.png", "b.png", "c.png")]

    def remember(photo: EightBits, mask: EightBits) -> EightBits:
        return next(one for one in originals if (one == photo)[mask == 0].all())

    found = evaluate(photos, masks=masks, methods={"perfect": remember}, features="efficientnet_lite0")
    for row in found.images:
        for name, value in PERFECT.items():
            assert row.scores["perfect"][name] == pytest.approx(value, abs=1e-6), name
    assert found.sets.scores["perfect"]["fid"] == pytest.approx(0, abs=1e-6)
    assert found.sets.scores["pyramid"]["fid"] > 0.01
    assert found.sets.scores["perfect"]["kid"] < found.sets.scores["pyramid"]["kid"]


def test_methods_see_empty_holes_and_cannot_change_known_pixels(photos: Path, masks: Path) -> None:
    seen = []

    def paint_everything(photo: EightBits, mask: EightBits) -> EightBits:
        seen.append((photo, mask))
        return np.full_like(photo, 10)

    found = evaluate(photos, masks=masks, methods={"paint": paint_everything})
    digest = MasksHash()
    for (photo, mask), row in zip(seen, found.images, strict=False):  # the examples are painted once more
        original, hole = read(photos, row.photo), mask == HOLE
        assert (photo[hole] == 128).all()
        np.testing.assert_array_equal(photo[~hole], original[~hole])
        error = np.where(hole[..., None], original.astype(float) - 10, 0)
        assert row.scores["paint"]["l1"] == pytest.approx(np.abs(error).mean() / 255, abs=1e-5)
        digest.add(hole)
    assert digest.value == found.masks_sha256


def test_all_methods_get_the_same_holes_whoever_is_asked(photos: Path, masks: Path, report: Report) -> None:
    alone = evaluate(photos, masks=masks)
    assert (alone.masks_sha256, list(report.methods)) == (report.masks_sha256, ["pyramid", *BASELINES])
    one, all_of_them = ([row.scores["pyramid"]["psnr"] for row in found.images] for found in (alone, report))
    assert one == pytest.approx(all_of_them, abs=1e-6)


def test_the_same_seed_gives_the_same_report(photos: Path) -> None:
    one, two, other = (evaluate(photos, masks_per_range=1, img_size=32, seed=seed) for seed in (3, 3, 4))
    assert one.to_json() == two.to_json()
    assert one == two
    assert other.masks_sha256 != one.masks_sha256
    assert len(one.images) == 12
    assert {(row.range, row.border) for row in one.images} == {(r, b) for r in HOLE_RATIO_RANGES for b in (False, True)}


def test_the_seed_reaches_the_copied_texture(photos: Path, masks: Path) -> None:
    options = {"masks": masks, "weights": "bundled", "texture": "patches", "count": 1, "masks_per_range": 1}
    one, two, other = (evaluate(photos, seed=seed, **options).images for seed in (3, 3, 4))
    assert one == two
    assert [row.mask for row in other] == [row.mask for row in one]
    assert [row.scores for row in other] != [row.scores for row in one]


def test_photos_are_cut_to_their_centre_when_a_size_is_asked_for(photos: Path) -> None:
    found = evaluate(photos, masks_per_range=1, img_size=(16, 40))
    assert {(row.height, row.width) for row in found.images} == {(16, 40)}
    assert found.images[0].scores["pyramid"]["st_lpips"] is None  # too small for the network
    assert found.images[0].scores["pyramid"]["psnr"] > 10


def test_trained_weights_are_scored_beside_the_pyramid(photos: Path, masks: Path, tmp_path: Path) -> None:
    weights = tmp_path / "generator_final.pth"
    save_weights(weights, PConvUNet(base_channels=4, depth=4))
    found = evaluate(photos, masks=masks, weights=weights, baselines=True)
    assert list(found.methods) == ["onar", *BASELINES, "pyramid"]
    assert str(weights) in found.methods["onar"]
    assert found.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert found.overall["onar"]["psnr"] != found.overall["pyramid"]["psnr"]


# ---------------------------------------------------------------- what cannot be had
def test_lpips_without_weights_is_reported(report: Report) -> None:
    assert "AlexNet" in report.metrics["lpips"].unavailable
    assert all(row.scores["telea"]["lpips"] is None for row in report.images)
    assert report.overall["telea"]["lpips"] is None
    assert "LPIPS: not available: AlexNet" in str(report)
    assert report.metrics["st_lpips"].unavailable is None


def test_missing_packages_are_reported(photos: Path, masks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stlpips_pytorch.stlpips", None)
    assert 'ST-LPIPS: not available: pip install "onar[offline]"' in str(evaluate(photos, masks=masks))


def test_unreadable_photos_and_masks_are_listed(photos: Path, masks: Path, tmp_path: Path) -> None:
    data, holes = tmp_path / "data", tmp_path / "holes"
    data.mkdir()
    holes.mkdir()
    (data / "0_broken.png").write_text("no photo")
    (data / "1.png").write_bytes((photos / "a.png").read_bytes())
    (holes / "0_broken.png").write_text("no mask")
    Image.new("L", (20, 20)).save(holes / "1_black.png")
    (holes / "2.png").write_bytes((masks / "1_small_inside.png").read_bytes())
    found = evaluate(data, masks=holes)
    assert [(row.photo, row.mask) for row in found.images] == [("1.png", "2.png")]
    words = [
        "photo .*0_broken.png: not a picture in a format Onar reads",
        "mask .*0_broken.png: not a picture in a format Onar reads",
        "mask .*1_black.png: .*0, and values of 128 and above are holes",
    ]
    assert len(found.skipped) == len(words)
    for said, line in zip(words, found.skipped, strict=True):
        assert re.search(said, line), line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"masks_per_range": 0}, "masks_per_range must be"),
        ({"count": 0}, "count must be"),
        ({"seed": -1}, "seed must be"),
        ({"img_size": 4}, "img_size must be"),
        ({"features": "inception"}, "features is "),
        ({"output": "report.html"}, "names the JSON file"),
        ({"methods": {"pyramid": telea}}, "'pyramid'"),
        ({"methods": {"wrong": lambda photo, mask: photo[:5]}}, "'wrong' must return"),
    ],
)
def test_wrong_options_are_refused_by_name(photos: Path, masks: Path, options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        evaluate(photos, masks=masks, **options)


def test_when_nothing_can_be_read_that_is_an_error(photos: Path, masks: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no picture")
    with pytest.raises(OnarError, match="none of the 1 photos can be read"):
        evaluate(tmp_path, masks=masks)
    with pytest.raises(OnarError, match="nothing could be scored"):
        evaluate(photos, masks=tmp_path)
    with pytest.raises(OnarError, match="none of the 1 mask files"):
        evaluate(photos, masks=tmp_path, masks_per_range=1)


# ---------------------------------------------------------------- the report
def test_the_json_has_the_documented_keys(report: Report) -> None:
    plain = json.loads(Path(report.protocol["written"]).read_text(encoding="utf-8"))
    assert plain["schema"] == "onar-evaluation/1"
    assert set(plain) == {
        "schema", "protocol", "seed", "methods", "unavailable_methods", "metrics", "masks_sha256",
        "weights_sha256", "weights", "versions", "overall", "buckets", "differences", "fills", "sets", "images",
        "skipped",
    }  # fmt: skip
    documented = Path(__file__).parents[2].joinpath("docs", "evaluate.md").read_text(encoding="utf-8")
    for key in (
        *plain, *plain["protocol"], *plain["buckets"][0], *plain["images"][0], *plain["sets"],
        *plain["differences"][0],
    ):  # fmt: skip
        assert f"`{key}`" in documented, key
    assert set(plain["images"][0]["scores"]["telea"]) == set(plain["metrics"])
    assert set(plain["overall"]["scores"]) == set(plain["methods"])
    assert plain["images"][0]["range"] == [0.01, 0.1]
    assert plain["versions"]["torch"]


def test_the_page_is_self_contained(report: Report) -> None:
    page = Path(report.protocol["written"]).with_suffix(".html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == 1 + 3 * (2 + len(report.methods))
    for source in sources:
        picture = re.fullmatch(r"data:image/(png|jpeg);base64,(.+)", source)
        Image.open(BytesIO(base64.b64decode(picture[2]))).verify()
    for text in ("telea", "4_large_border.png", "1-10% N", "other B", "AlexNet", report.masks_sha256):
        assert text in page


def test_the_page_shows_the_best_median_and_worst_fill(report: Report) -> None:
    ranked = sorted(report.images, key=lambda row: -row.scores["pyramid"]["psnr_hole"])
    expected = [("best", ranked[0]), ("median", ranked[2]), ("worst", ranked[4])]
    assert [(one.title, one.row) for one in report.examples] == expected
    for example in report.examples:
        hole = (example.masked != example.original).any(axis=2)
        for completed in example.completed.values():
            np.testing.assert_array_equal(completed[~hole], example.original[~hole])


def test_names_from_files_are_shown_as_text(photos: Path, masks: Path, tmp_path: Path) -> None:
    data = tmp_path / "<b>&"
    data.mkdir()
    (data / "<i>.png").write_bytes((photos / "a.png").read_bytes())
    evaluate(data, masks=masks, output=tmp_path / "report.json")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<i>" not in page
    assert "&lt;i&gt;.png" in page


def test_the_page_has_no_plots_where_matplotlib_is_missing(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    page = to_html(report)
    assert 'Plots of these scores need pip install "onar[evaluate]".' in page
    assert "data:image/png" not in page
    assert page.count("<figure>") == 3 * (2 + len(report.methods))


def test_the_table_names_every_method_metric_and_range(report: Report) -> None:
    text = str(report)
    for word in (*report.methods, "PSNR (dB)", "SSIM", "ST-LPIPS", "FID*", "1-10% N", "40-50% B", "other B"):
        assert word in text


# ---------------------------------------------------------------- the command
def test_the_command_writes_both_reports(photos: Path, masks: Path, tmp_path: Path) -> None:
    output = tmp_path / "new folder" / "report.json"
    options = {"data": photos, "masks": masks, "weights": "pyramid", "img_size": 32, "output": output}
    said = run_onar("evaluate", *flags(**options)).out
    assert "PSNR (dB)" in said
    assert "LPIPS: not available" in said
    assert sorted(path.name for path in output.parent.iterdir()) == ["report.html", "report.json"]
    assert len(json.loads(output.read_text(encoding="utf-8"))["images"]) == 5


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"data": "nowhere"}, 1, "no photos: "),
        ({"masks": "nowhere"}, 1, "no mask files: "),
        ({"weights": "nowhere.pth"}, 1, "cannot read "),
        ({"features": "inception"}, 2, "--features is "),
        ({"output": "/dev/null/report.json"}, 1, "cannot write /dev/null/report.json: "),
        ({"output": "report.txt"}, 2, "--output names the JSON file"),
        ({"count": "0"}, 2, "--count must be at least 1"),
    ],
)
def test_errors_are_one_line(
    photos: Path, masks: Path, tmp_path: Path, options: dict[str, str], code: int, message: str
) -> None:
    # Without the mask that a line of its own doubts.
    certain = shutil.copytree(masks, tmp_path / "masks", ignore=shutil.ignore_patterns("5_most.png"))
    given = {"data": photos, "masks": certain, "output": tmp_path / "report.json"} | options
    assert refusal("evaluate", *flags(**given), code=code).startswith(f"onar: {message}")
    assert not (tmp_path / "report.json").exists()
