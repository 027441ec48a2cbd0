"""Training photos: those of folders and lists, without files of other settings."""

import json
import os
import shutil
from pathlib import Path

import pytest
import tomli_w
from PIL import Image

from onar import TrainConfig
from onar.data.from_config import find_training_data, split_as_before
from onar.data.photo_folders import PhotoPaths, find_photo_paths, is_results_folder
from onar.data.photo_sets import open_photos
from onar.errors import OnarError, UsageError
from onar.evaluation.pairs import Pairs
from tests.support.runs import flags, run_onar


def fill(folder: Path, *names: str, shade: int = 0) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (shade, shade, shade)).save(folder / name)
    return folder


def write_masks(folder: Path, *names: str) -> Path:
    fill(folder, *names)
    for name in names:
        mask = Image.new("L", (40, 40))
        mask.paste(255, (5, 5, 20, 20))
        mask.save(folder / name)
    return folder


def make_run(folder: Path) -> Path:
    fill(folder, "samples/samples_epoch_1.png", "loss_curves_epoch_1.png")
    (folder / "config.toml").write_text(tomli_w.dumps(TrainConfig(results_dir=folder).to_plain()))
    return folder


def names(photos) -> set[str]:
    return {Path(str(photos[index])).name for index in range(len(photos))}


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Photos among which lie validation photos, masks, and the results of an earlier run and of this one."""
    album = fill(tmp_path / "album", "a.png", "b.png", "summer/c.png", "val/v.png")
    write_masks(album / "masks", "m.png")
    write_masks(album / "val_masks", "n.png")
    make_run(album / "runs" / "earlier")
    make_run(album / "inpainting_results")
    return album


def settings(album: Path) -> dict:
    folders = {"val_data": "val", "masks": "masks", "val_masks": "val_masks", "results_dir": "inpainting_results"}
    return {"data": album} | {setting: album / name for setting, name in folders.items()}


def test_only_photos_are_trained_on(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = find_training_data(TrainConfig(**settings(album)))
    assert (names(data.training), names(data.held_out)) == ({"a.png", "b.png", "c.png"}, {"v.png"})
    line = capsys.readouterr().err
    for folder, reason in (("val", "--val_data"), ("masks", "--masks"), ("val_masks", "--val_masks")):
        assert f"{album / folder} ({reason})" in line
    assert f"{album / 'runs' / 'earlier'} (results of a training)" in line


def test_what_is_in_another_folder_by_a_link_is_left_out(album: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(album / "val")
    config = TrainConfig(**settings(album) | {"val_data": tmp_path / "elsewhere"})
    assert "v.png" not in names(find_training_data(config).training)


def test_photos_in_the_folder_of_the_masks_or_of_the_validation_are_neither(tmp_path: Path) -> None:
    outer = write_masks(tmp_path / "outer", "m.png")
    fill(outer / "photos", "a.png", "b.png")
    data = find_training_data(TrainConfig(data=outer / "photos", masks=outer))
    assert names(data.masks.paths) == {"m.png"}
    data = find_training_data(TrainConfig(data=outer / "photos", val_data=outer))
    assert names(data.held_out) == {"m.png"}


@pytest.mark.parametrize("setting", ["val_data", "masks", "val_masks", "results_dir"])
def test_one_folder_for_two_purposes_is_refused(setting: str, album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(album)
    with pytest.raises(UsageError, match=f"^data and {setting} are both"):
        find_training_data(TrainConfig(data=".", **{setting: album}))


def test_an_image_folder_of_datasets_may_hold_no_other_folder(album: Path) -> None:
    with pytest.raises(UsageError, match=r"^results_dir .* is in the folder of data"):
        find_training_data(TrainConfig(data=f"hf:imagefolder:{album}", results_dir=album / "new"))


def test_check_counts_what_would_be_trained_on(album: Path) -> None:
    folders = {name: path for name, path in settings(album).items() if name.endswith("masks") or name == "val_data"}
    said = run_onar("check", album, *flags(**folders), "--img_size", 32)
    assert "3 in" in said.out
    assert "(--masks)" in said.err


def test_evaluate_scores_no_mask_and_no_sample_sheet(album: Path) -> None:
    scored = names(Pairs(album, [], None, None, [("masks", album / "masks")]).paths)
    assert scored.isdisjoint({"m.png", "samples_epoch_1.png"})
    with pytest.raises(UsageError, match="are both"):
        Pairs(album, [], None, None, [("masks", album)])


# ---------------------------------------------------------------- several folders, and lists
def test_several_folders_are_read_in_their_order_and_a_photo_twice_counts_once(tmp_path: Path) -> None:
    one, other = fill(tmp_path / "one", "b.png", "sub/a.png"), fill(tmp_path / "other", "b.png", "a.png")
    photos = find_photo_paths((one, other, one / "sub"))
    assert [photos[index] for index in range(len(photos))] == [
        one / "b.png", one / "sub" / "a.png", other / "a.png", other / "b.png"
    ]  # fmt: skip
    assert [photos.name(index) for index in range(4)] == ["b.png", "sub/a.png", "2:a.png", "2:b.png"]


def test_a_list_names_photos_relative_to_itself(tmp_path: Path) -> None:
    fill(tmp_path / "photos", "a.png", "sub/b.png", "c.png")
    elsewhere = fill(tmp_path / "elsewhere", "d.png")
    (tmp_path / "photos" / "list.txt").write_text(f"sub/b.png\n\na.png\n{elsewhere / 'd.png'}\n")
    photos = open_photos(tmp_path / "photos" / "list.txt")
    assert [str(photos[index]) for index in range(3)] == [
        str(tmp_path / "photos" / "sub" / "b.png"), str(tmp_path / "photos" / "a.png"), str(elsewhere / "d.png")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "no line at all"), ("a.txt\n", "a.txt"), ("gone.png\n", "is there"), (b"\xff\xfe\x00\xd8", "not UTF-8")],
)
def test_a_file_that_is_no_list_is_refused(content: str | bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(OnarError, match=reason):
        open_photos(tmp_path / "list.txt")


def test_folders_and_lists_are_named_on_the_command_line_and_in_toml(tmp_path: Path) -> None:
    one, other = fill(tmp_path / "one", "a.png"), fill(tmp_path / "other", "b.png")
    (tmp_path / "recipe.toml").write_text(tomli_w.dumps(TrainConfig(data=(one, other)).to_plain()))
    assert TrainConfig.from_toml(tmp_path / "recipe.toml").data == (one, other)
    assert TrainConfig(data=[str(one)]).data == one
    assert "2 in" in run_onar("check", one, other, "--img_size", 32).out
    with pytest.raises(UsageError, match="cannot be joined"):
        TrainConfig(data=["hf:name", str(one)])


# ---------------------------------------------------------------- going on elsewhere
def test_a_folder_moved_or_spelt_otherwise_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "photos", *(f"{number}.png" for number in range(10)))
    masks = write_masks(tmp_path / "masks", "m.png")
    before = find_training_data(TrainConfig(data=folder, masks=masks, val_share=0.3)).record()
    shutil.move(folder, tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    data = find_training_data(TrainConfig(data="./moved", masks="masks", val_share=0.3))
    after, line = split_as_before(data, before)
    assert (line, after.record()) == ("", before)


def test_other_masks_are_refused(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photos", "a.png", "b.png")
    masks = write_masks(tmp_path / "masks", "m.png")
    config = TrainConfig(data=folder, masks=masks)
    before = find_training_data(config).record()
    write_masks(masks, "n.png")
    with pytest.raises(OnarError, match="the mask files have changed"):
        split_as_before(find_training_data(config), before)


def test_held_out_photos_of_an_earlier_version_stay_held_out(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photos", *(f"{number}.png" for number in range(10)))
    data = find_training_data(TrainConfig(data=folder, val_share=0.3))
    assert isinstance(data.found, PhotoPaths)
    held_out = [str(data.held_out[index]) for index in range(len(data.held_out))]
    earlier = {"photos": data.found.earlier_digest, "held_out": held_out}
    after, line = split_as_before(data, earlier)
    assert (names(after.held_out), line) == (names(data.held_out), "")


# ---------------------------------------------------------------- results folders
@pytest.mark.parametrize(
    "name",
    ["config.toml", "log.jsonl", "skipped.txt", "generator_best.pth", "generator_final.pth", "checkpoints/step_1.pt",
     "loss_curves_epoch_3.png", "samples/samples_epoch_3.png", "tensorboard/events.out.tfevents.1"],
)  # fmt: skip
@pytest.mark.parametrize("resume", ["auto", "never"])
def test_files_of_another_program_stay_as_they_are(name: str, resume: str, tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.png", "b.png")
    file = tmp_path / "results" / name
    file.parent.mkdir(parents=True)
    file.write_text('{"another": "program"}\n')
    before = sorted(tmp_path.rglob("*"))
    small = {"img_size": 32, "depth": 3, "lambda_content": 0, "num_workers": 0, "resume": resume}
    said = run_onar("train", *flags(data=photos, results_dir=tmp_path / "results", **small), code=1)
    assert str(file) in said.err
    assert (sorted(tmp_path.rglob("*")), file.read_text()) == (before, '{"another": "program"}\n')


def test_a_results_folder_is_known_by_its_configuration_or_its_log(tmp_path: Path) -> None:
    assert is_results_folder(make_run(tmp_path / "one"))
    (tmp_path / "two").mkdir()
    assert not is_results_folder(tmp_path / "two")
    (tmp_path / "two" / "log.jsonl").write_text(json.dumps({"kind": "start"}) + "\n")
    assert is_results_folder(tmp_path / "two")


def test_pipes_in_a_list_are_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, "b.png")
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text("a.png\nb.png\n")
    assert names(open_photos(tmp_path / "list.txt")) == {"b.png"}
    assert "Skipped" in capsys.readouterr().err
