"""Networks for grey photos, and for arrays of other channels: trained, kept, exported and used."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from onar import Discriminator, Inpainter, OnarError, PConvUNet, TrainConfig, UsageError, random_mask, train
from onar.checkpoint import load_generator, save_weights
from onar.evaluation.verb import evaluate
from onar.export.verb import export
from onar.imaging.arrays import open_array
from onar.imaging.images import PhotoError
from onar.inference.backends import TorchBackend
from onar.models.generators import GENERATORS, Generator
from tests.conftest import PHOTOS
from tests.support.perceptual import perceptual_terms
from tests.support.runs import SMALL, assert_same_weights, records, run_onar

HEIGHT, WIDTH = 60, 84
MASK = random_mask(HEIGHT, WIDTH, rng=np.random.default_rng(1), hole_ratio=(0.2, 0.3))
HOLE = MASK == 255
COLOURS = np.asarray(Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize((WIDTH, HEIGHT)))
GREY = np.asarray(Image.fromarray(COLOURS).convert("L"))


def lively(channels: int) -> PConvUNet:
    """A network on the pyramid whose correction is not zero, as after a training."""
    torch.manual_seed(0)
    network = PConvUNet(4, 3, "pyramid", channels=channels).eval()
    torch.nn.init.normal_(network.head[-1].weight, std=0.01)
    return network


@pytest.fixture(scope="module")
def grey_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grey") / "results"
    train(TrainConfig(data=photos, results_dir=folder, channels=1, lambda_style=1.0, **SMALL))
    return folder


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of four channels in every kind of file and number, one of them enlarged, and a PNG that is none."""
    folder, rng = tmp_path_factory.mktemp("arrays"), np.random.default_rng(0)
    smooth = np.linspace(0.1, 0.9, 48)[:, None, None] * np.ones((48, 56, 4)) * rng.uniform(0.5, 1, 4)
    np.save(folder / "bytes.npy", (255 * smooth).astype(np.uint8))
    np.save(folder / "words.npy", (65535 * smooth).astype(np.uint16))
    np.save(folder / "floats.npy", smooth.astype(np.float32))
    np.save(folder / "small.npy", smooth[:20, :24])
    tifffile.imwrite(folder / "last.tif", (65535 * smooth).astype(np.uint16), photometric="minisblack", planarconfig=1)
    planes = np.moveaxis(255 * smooth, 2, 0).astype(np.uint8)
    tifffile.imwrite(folder / "planes.tiff", planes, photometric="minisblack", planarconfig="separate")
    tifffile.imwrite(folder / "pages.tif", planes, photometric="minisblack", metadata={"axes": "CYX"})
    Image.fromarray(COLOURS).save(folder / "colours.png")
    return folder


@pytest.fixture(scope="module")
def array_run(arrays: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("four") / "results"
    blur = {"augment_blur": 1.0, "augment_rotation": 5.0}
    train(TrainConfig(data=arrays, results_dir=folder, channels=4, lambda_content=0, **blur, **SMALL))
    return folder


# ---------------------------------------------------------------- grey
def test_a_grey_run_leaves_networks_of_one_channel(grey_run: Path) -> None:
    assert load_generator(grey_run / "generator_final.pth").architecture["channels"] == 1
    Discriminator(32, 4, channels=1).load_state_dict(torch.load(grey_run / "discriminator_final.pth"))
    assert {"onar", "Telea", "pyramid fill"} <= records(grey_run, "epoch")[-1]["validation"].keys()


def test_the_sample_sheet_of_a_grey_run_is_grey(grey_run: Path) -> None:
    sheet = np.asarray(Image.open(grey_run / "samples" / "samples_epoch_2.png").convert("RGB"))
    assert np.ptp(sheet, axis=2).max() == 0


def test_a_grey_run_that_was_stopped_ends_as_if_it_had_not(photos: Path, grey_run: Path, tmp_path: Path) -> None:
    settings = {"data": photos, "results_dir": tmp_path / "again", "channels": 1, "lambda_style": 1.0}
    train(TrainConfig(**settings, **{**SMALL, "epochs": 1}))
    (checkpoint,) = (tmp_path / "again" / "checkpoints").glob("*.pt")
    train(TrainConfig(**settings, resume=checkpoint, **SMALL))
    assert_same_weights(tmp_path / "again", grey_run)


@pytest.mark.parametrize("ending", [".pth", ".safetensors", ".onnx"])
def test_a_grey_network_fills_grey_photos_at_once_and_others_by_channel(ending: str, tmp_path: Path) -> None:
    save_weights(tmp_path / "grey.pth", lively(1))
    if ending != ".pth":
        export(str(tmp_path / "grey.pth"), tmp_path / f"grey{ending}")
    inpainter = Inpainter.load(tmp_path / f"grey{ending}", "cpu")

    def fill(photo: np.ndarray) -> np.ndarray:
        return inpainter(photo, MASK, texture="network")

    completed = fill(COLOURS)
    assert np.array_equal(completed[~HOLE], COLOURS[~HOLE])
    for channel in range(3):
        alone = fill(np.ascontiguousarray(COLOURS[..., channel]))
        assert np.abs(completed[..., channel].astype(int) - alone)[HOLE].max() <= 1  # the order of sums
    grey = fill(GREY)
    assert np.array_equal(fill(GREY[..., None])[..., 0], grey)
    assert np.array_equal(fill(np.repeat(GREY[..., None], 3, axis=2)), np.repeat(grey[..., None], 3, axis=2))
    assert np.array_equal(np.asarray(inpainter(Image.fromarray(GREY), MASK, texture="network")), grey)


def test_a_grey_photo_passes_through_a_grey_network_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    network = lively(1)
    network.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape)))
    Inpainter(network, device="cpu")(GREY, MASK, texture="network", strategy="whole")
    Inpainter(network, device="cpu")(COLOURS, MASK, texture="network", strategy="whole")
    assert sizes == [(1, 1, HEIGHT, WIDTH), (3, 1, HEIGHT, WIDTH)]


def test_a_grey_network_completes_files_and_is_evaluated(photos: Path, tmp_path: Path) -> None:
    save_weights(tmp_path / "grey.pth", lively(1))
    for name, pixels in {"colour": COLOURS, "grey": GREY, "mask": MASK}.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    for name, mode in {"colour": "RGB", "grey": "L"}.items():
        photo, mask, result = (tmp_path / f"{file}.png" for file in (name, "mask", f"{name}_filled"))
        options = "--weights", tmp_path / "grey.pth", "--device", "cpu"
        run_onar("complete", photo, "--mask", mask, "--output", result, *options)
        assert Image.open(result).mode == mode
    report = evaluate(photos, weights=tmp_path / "grey.pth", img_size=32, masks_per_range=1, count=2, device="cpu")
    assert report.overall["onar"]["psnr"] > 10


def test_a_grey_network_is_exported_in_int8(tmp_path: Path) -> None:
    save_weights(tmp_path / "grey.pth", lively(1))
    exported = export(str(tmp_path / "grey.pth"), tmp_path / "grey.onnx", int8=True)
    assert abs(exported.cost.float32 - exported.cost.int8) < 1


def test_the_perceptual_loss_of_grey_photos_is_that_of_three_equal_channels() -> None:
    features = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), Listed())
    completed, whole, photo = torch.rand(3, 2, 1, 16, 16)
    in_three = perceptual_terms(features, *(image.repeat(1, 3, 1, 1) for image in (completed, whole, photo)))
    for name, term in perceptual_terms(features, completed, whole, photo).items():
        torch.testing.assert_close(term, in_three[name])


class Listed(torch.nn.Module):
    def forward(self, features: torch.Tensor) -> list[torch.Tensor]:
        return [features]


def test_what_needs_colours_refuses_a_grey_network_in_one_line(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GENERATORS, "Fixed", Generator(lambda: PConvUNet(4, 3), arguments={}))
    save_weights(tmp_path / "grey.pth", lively(1))
    with pytest.raises(UsageError, match="photos in colour"):
        export(str(tmp_path / "grey.pth"), tmp_path / "site", format="web")
    with pytest.raises(UsageError, match="bundled"):
        TrainConfig(channels=1, init_weights="bundled")
    settings = SMALL | {"base_fill": "pyramid", "lambda_content": 0.0, "init_weights": tmp_path / "grey.pth"}
    with pytest.raises(OnarError, match="photos of 1 channels, and this run has channels 3"):
        train(TrainConfig(data=photos, results_dir=tmp_path / "run", **settings))
    with pytest.raises(ValueError, match="3 channels"):
        PConvUNet(4, 3, colour_channels=4, channels=1)
    with pytest.raises(UsageError, match=r"^channels must be 3 for generator Fixed, not 1$"):
        train(TrainConfig(data=photos, results_dir=tmp_path / "fixed", generator="Fixed", channels=1, **SMALL))


def test_networks_for_colours_say_what_they_said_before() -> None:
    assert "channels" not in PConvUNet(4, 3).architecture


# ---------------------------------------------------------------- other channels
def test_arrays_of_all_kinds_are_trained_on(array_run: Path) -> None:
    assert load_generator(array_run / "generator_final.pth").architecture["channels"] == 4
    last = records(array_run, "epoch")[-1]
    assert last["skipped"] == 0
    assert last["upscaled"] == 1
    assert last["validation"].keys() == {"onar", "pyramid fill"}
    assert (array_run / "samples" / "samples_epoch_2.png").exists()


def test_every_kind_of_file_holds_the_same_photo(arrays: Path) -> None:
    crops = []
    for name in ("bytes.npy", "words.npy", "floats.npy", "last.tif", "planes.tiff", "pages.tif"):
        with open_array(arrays / name, 4) as photo:
            assert (photo.height, photo.width) == (48, 56)
            crops.append(photo.read_crop((4, 2, 44, 42), 20, 20))
    for crop in crops:
        assert crop.shape == (20, 20, 4)
        assert crop == pytest.approx(crops[2], abs=1.01 / 255)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((4, 20, 20), np.uint8), "4 x 20 x 20 numbers, not height x width x 4"),
        (np.zeros((20, 20, 3), np.uint8), "20 x 20 x 3 numbers"),
        (np.zeros((20, 20, 4), np.int32), "numbers of type int32"),
        (np.full((20, 20, 4), 3.0), "floats from 3 to 3"),
        (np.full((20, 20, 4), np.nan), "floats from nan to nan"),
        (np.array([[[None] * 4]]), "damaged"),
    ],
)
def test_an_array_with_other_channels_is_reported(pixels: np.ndarray, reason: str, tmp_path: Path) -> None:
    np.save(tmp_path / "photo.npy", pixels, allow_pickle=True)
    with pytest.raises(PhotoError, match=reason), open_array(tmp_path / "photo.npy", 4) as photo:
        photo.read_crop((0, 0, 8, 8), 8, 8)


@pytest.mark.parametrize("channels", [2, 4, 5])
@pytest.mark.parametrize(
    "scale", [lambda x: (255 * x).astype(np.uint8), lambda x: (65535 * x).astype(np.uint16), lambda x: x]
)
def test_an_array_is_filled_in_its_holes_alone(channels: int, scale: Callable[[np.ndarray], np.ndarray]) -> None:
    inpainter = Inpainter(lively(channels), 32, "cpu")
    photo = scale(np.random.default_rng(0).random((150, 170, channels), np.float32))
    hole = np.zeros((150, 170), bool)
    hole[20:110, 30:120] = hole[140:142, 10:160] = True
    completed = inpainter(photo, hole)
    assert completed.dtype == photo.dtype
    assert np.array_equal(completed[~hole], photo[~hole])
    assert len(np.unique(completed[hole])) > 100
    if photo.dtype.kind == "f":
        assert np.array_equal(inpainter(np.where(hole[..., None], np.nan, photo), hole), completed)


def test_a_network_for_arrays_is_exported_to_every_format(tmp_path: Path) -> None:
    save_weights(tmp_path / "four.pth", lively(4))
    photo = np.random.default_rng(0).random((40, 48, 4), np.float32)
    fills = []
    for name in ("network.onnx", "network.safetensors"):
        export(str(tmp_path / "four.pth"), tmp_path / name)
        fills.append(Inpainter.load(tmp_path / name, "cpu")(photo, MASK[:40, :48]))
    assert fills[0] == pytest.approx(fills[1], abs=2 / 255)


def test_what_arrays_cannot_have_is_refused_in_one_line(array_run: Path, arrays: Path, tmp_path: Path) -> None:
    weights = array_run / "generator_final.pth"
    with pytest.raises(UsageError, match=r"^channels 4 needs lambda_content 0"):
        train(TrainConfig(channels=4, lambda_content=1.0, results_dir=tmp_path / "run"))
    with pytest.raises(UsageError, match="lambda_style 0"):
        train(TrainConfig(channels=4, lambda_content=0, lambda_style=1, results_dir=tmp_path / "run"))
    with pytest.raises(UsageError, match="augment_jpeg"):
        TrainConfig(channels=4, lambda_content=0, augment_jpeg=50)
    with pytest.raises(UsageError, match="in folders"):
        TrainConfig(channels=4, lambda_content=0, data="hf:name")
    with pytest.raises(UsageError, match="int8"):
        export(str(weights), tmp_path / "network.onnx", int8=True)
    inpainter = Inpainter.load(weights, "cpu")
    with pytest.raises(UsageError, match="are for 4 channels, and the photo has 3"):
        inpainter(COLOURS, MASK)
    with pytest.raises(UsageError, match="copied in colours"):
        inpainter(np.dstack([COLOURS, GREY]), MASK, texture="patches")
    with pytest.raises(UsageError, match="arrays of 4 channels"):
        evaluate(arrays, weights=weights)
    with pytest.raises(OnarError, match="no photos"):
        train(TrainConfig(data=PHOTOS, results_dir=tmp_path / "run", channels=4, lambda_content=0, **SMALL))


def test_a_backend_says_its_channels() -> None:
    assert [TorchBackend(network, "cpu").channels for network in (lively(1), lively(3), lively(5))] == [1, 3, 5]
