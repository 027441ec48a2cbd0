import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from onar import Inpainter, PConvUNet, random_mask
from onar.checkpoint import save_weights
from onar.errors import UsageError
from onar.inference import rules
from onar.inference.windows import Box, deeper_than, find_groups, hole_depth
from tests.conftest import PHOTOS


class Recorder(nn.Module):
    """A generator that answers with one colour and remembers the sizes it was asked for."""

    def __init__(self, value: float = 0.25) -> None:
        super().__init__()
        self.value = value
        self.sizes: list[tuple[int, int]] = []

    def forward(self, photo: Tensor, known: Tensor) -> Tensor:
        self.sizes.append((photo.shape[2], photo.shape[3]))
        assert ((photo == 0) | (known == 1)).all(), "what lies under a hole must not reach the generator"
        return torch.full_like(photo, self.value)


def small_network() -> Inpainter:
    torch.manual_seed(0)
    return Inpainter(PConvUNet(8, 4, "pyramid"), training_size=64, device="cpu")


def photo_of(height: int, width: int) -> np.ndarray:
    return np.asarray(Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize((width, height)))


@pytest.mark.parametrize("size", [(1, 1), (37, 513), (3000, 20), (128, 128), (200, 333)])
@pytest.mark.parametrize("strategy", ["auto", "whole", "crop"])
def test_known_pixels_are_bit_identical_and_holes_are_filled(size: tuple[int, int], strategy: str) -> None:
    photo = photo_of(*size)
    mask = random_mask(*size, rng=np.random.default_rng(1), hole_ratio=(0.2, 0.3))
    network = Recorder()
    result = Inpainter(network, training_size=64, device="cpu")(photo, mask, strategy=strategy, texture="network")
    assert result.dtype == np.uint8
    assert (result[mask == 0] == photo[mask == 0]).all()
    # Thin holes are the pyramid's, except where the network is to fill the whole photo.
    assert (result[mask == 255 if strategy == "whole" else deeper_than(mask == 255, rules.THIN)] == 64).all()
    assert (result[mask == 255] != photo[mask == 255]).any() or mask.size == 1


@pytest.mark.parametrize("kind", ["large hole", "all hole", "scratches", "two far holes", "borders", "ring"])
@pytest.mark.parametrize(("height", "width"), [(300, 500), (1100, 1400)])
def test_every_hole_is_filled_whatever_its_shape(kind: str, height: int, width: int) -> None:
    photo, mask = photo_of(height, width), np.zeros((height, width), np.uint8)
    if kind == "large hole":
        mask[40 : height - 40, 100 : width - 100] = 255
    elif kind == "all hole":
        mask[:] = 255
    elif kind == "scratches":
        for row in range(20, 30):
            mask[row::30] = 255
    elif kind == "two far holes":
        mask[5:15, 5:15] = mask[280:290, 480:490] = 255
    elif kind == "borders":
        mask[:10] = mask[-9:] = mask[:, :11] = mask[:, -8:] = 255
    else:
        cv2.circle(mask, (width // 2, height // 2), height // 3, 255, 12)
        mask[height // 2 :][:20, width // 2 :][:, :20] = 255
    for strategy in ("auto", "crop"):
        inpainter = Inpainter(Recorder(), training_size=64, device="cpu")
        result = inpainter(photo, mask, strategy=strategy, texture="network")
        assert (result[mask == 255] == 64).all()
        assert (result[mask == 0] == photo[mask == 0]).all()


def test_the_windows_follow_the_holes_not_the_photo() -> None:
    network = Recorder()
    inpainter = Inpainter(network, training_size=64, device="cpu")
    mask = np.zeros((2000, 3000), bool)
    mask[1000:1030, 2000:2020] = True
    inpainter(np.zeros((2000, 3000, 3), np.uint8), mask, texture="network")
    assert network.sizes == [(78, 68)]
    network.sizes.clear()
    mask[100:400, 100:800] = True
    inpainter(np.zeros((2000, 3000, 3), np.uint8), mask, texture="network")
    assert max(max(size) for size in network.sizes) <= rules.max_side(64)


def test_a_deep_hole_is_completed_at_half_the_scale_first_and_again_along_the_seam() -> None:
    network = Recorder()
    inpainter = Inpainter(network, training_size=64, device="cpu")
    mask = np.zeros((304, 304), bool)
    mask[52:252, 52:252] = True  # 100 pixels deep: 16 at an eighth of the scale
    inpainter(photo_of(304, 304), mask, texture="network")
    assert network.sizes == [(38, 38), (76, 76), (152, 152), (304, 304)]

    answers = iter([1.0, *[0.0] * 100])  # the coarsest scale first
    network.register_forward_pre_hook(lambda network, _: setattr(network, "value", next(answers)))
    result = inpainter(photo_of(304, 304), mask, texture="network")
    depth = hole_depth(mask)
    assert (result[(depth > 0) & (depth <= rules.band(64))] == 0).all()
    assert (result[depth > 80] == 255).all()


def test_what_lies_under_the_hole_does_not_matter() -> None:
    photo = photo_of(180, 240)
    mask = np.zeros((180, 240), np.uint8)
    mask[30:150, 60:180] = 255
    garbage = photo.copy()
    garbage[mask == 255] = np.random.default_rng(0).integers(0, 256, (120 * 120, 3))
    inpainter = small_network()
    for strategy in ("whole", "crop"):
        assert (inpainter(photo, mask, strategy=strategy) == inpainter(garbage, mask, strategy=strategy)).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_a_picture_keeps_its_mode_size_and_alpha(mode: str) -> None:
    photo = Image.fromarray(photo_of(50, 70)).convert(mode)
    if mode.endswith("A"):
        photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    mask = Image.fromarray(random_mask(50, 70, rng=np.random.default_rng(0)))
    result = small_network()(photo, mask)
    assert (result.mode, result.size) == (photo.mode, photo.size)
    if mode.endswith("A"):
        assert result.getchannel("A").tobytes() == photo.getchannel("A").tobytes()
    known = np.asarray(mask) == 0
    assert (np.asarray(result)[known] == np.asarray(photo)[known]).all()


def test_a_grey_array_stays_grey() -> None:
    photo = photo_of(50, 70)[..., 0]
    mask = random_mask(50, 70, rng=np.random.default_rng(0))
    result = small_network()(photo, mask)
    assert result.shape == photo.shape
    assert (result[mask == 0] == photo[mask == 0]).all()


def test_a_batch_gives_what_the_photos_give_one_by_one() -> None:
    inpainter = small_network()
    photos = np.stack([photo_of(60, 80), photo_of(60, 80)[:, ::-1]])
    masks = np.stack([random_mask(60, 80, rng=np.random.default_rng(seed)) for seed in range(2)])
    together = inpainter(photos, masks)
    assert together.shape == photos.shape
    for photo, mask, result in zip(photos, masks, together, strict=True):
        assert (inpainter(photo, mask) == result).all()
    assert isinstance(inpainter(list(photos), list(masks)), list)
    assert (inpainter(photos[:0], masks[:0]).shape, inpainter([], [])) == ((0, 60, 80, 3), [])


@pytest.mark.parametrize("kind", [bool, np.float16, np.float32, np.float64, np.uint8])
def test_a_mask_is_the_same_as_truth_values_numbers_and_with_a_channel(kind: type) -> None:
    photo, mask = photo_of(20, 30), random_mask(20, 30, rng=np.random.default_rng(0))
    inpainter = Inpainter.load("pyramid")
    expected = inpainter(photo, mask)
    other = mask if kind is np.uint8 else (mask / 255).astype(kind)
    assert (inpainter(photo, other) == expected).all()
    assert (inpainter(photo, other[..., None]) == expected).all()
    assert (inpainter(photo[None], other[None, ..., None]) == expected[None]).all()
    assert (inpainter(photo, np.where(mask, 0.5, 0.499)) == expected).all()


def test_feathering_touches_hole_pixels_only_and_closes_the_seam() -> None:
    photo = np.full((64, 64, 3), 200, np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    result = Inpainter(Recorder(), training_size=64, device="cpu")(photo, mask, feather=8, texture="network")
    assert (result[mask == 0] == 200).all()
    row = result[32, 16:33, 0].astype(int)
    assert abs(row[0] - 200) < 30  # next to the seam: nearly the photo
    assert row[-1] == 64  # in the middle: the generator's own
    assert (np.diff(row) <= 1).all()


def test_the_pyramid_fill_needs_no_weights() -> None:
    inpainter = Inpainter.load("pyramid")
    assert "pyramid fill" in inpainter.description
    photo, mask = np.full((90, 120, 3), 77, np.uint8), random_mask(90, 120, rng=np.random.default_rng(0))
    assert (inpainter(photo, mask, texture="network") == 77).all()


def test_weights_know_their_network_and_training_size(tmp_path) -> None:
    save_weights(tmp_path / "generator_final.pth", PConvUNet(4, 5))
    assert Inpainter.load(tmp_path / "generator_final.pth").training_size == 64
    (tmp_path / "config.toml").write_text("img_size = [96, 160]\ndepth = 5\n")
    assert Inpainter.load(tmp_path / "generator_final.pth").training_size == 160


def test_groups_are_boxes_round_holes_that_lie_together() -> None:
    hole = np.zeros((400, 600), bool)
    hole[10:20, 10:20] = hole[25:30, 15:40] = True
    hole[300:310, 500:520] = True
    assert find_groups(hole) == [Box(10, 10, 20, 20), Box(25, 15, 30, 40), Box(300, 500, 310, 520)]
    assert find_groups(hole, 16) == [Box(10, 10, 30, 40), Box(300, 500, 310, 520)]
    assert find_groups(np.zeros((5, 5), bool), 16) == []


@pytest.mark.parametrize(
    ("photo", "mask", "said"),
    [
        (np.zeros((8, 9, 3), np.uint8), np.zeros((9, 8), np.uint8), "the same size"),
        (np.zeros((8, 9, 3), np.float32), np.zeros((8, 9), np.uint8), "uint8"),
        (np.zeros((8, 9, 3), np.uint8), np.full((8, 9), np.nan), "the mask holds NaN"),
        (np.zeros((8, 9, 3), np.uint8), np.full((8, 9), 255.0), "goes from 255 to 255: a mask of floats goes from 0"),
        (np.zeros((8, 9, 3), np.uint8), np.full((8, 9), -1.0), "goes from -1 to -1"),
        (np.zeros((8, 9, 3), np.uint8), np.zeros((8, 9, 3), np.uint8), "a mask is"),
        (np.zeros((8, 9, 4), np.uint8), np.zeros((8, 9), np.uint8), "height x width"),
        ("photo.jpg", np.zeros((8, 9), np.uint8), "PIL picture"),
        (np.zeros((8, 9, 3), np.uint8), np.eye(8, 9, dtype=np.uint8), "brightest value is 1, .* as bool, or times 255"),
        (Image.new("RGB", (9, 8)), Image.fromarray(np.eye(8, 9, dtype=np.uint8)), "the mask has no hole"),
        (np.zeros(8, np.uint8), np.zeros((8, 9), np.uint8), "height x width"),
        ([np.zeros((8, 9, 3), np.uint8)], [], "as many masks, not 0"),
        ([np.zeros((8, 9, 3), np.uint8)] * 2, Image.new("L", (9, 8)), "a list of as many masks"),
        ([np.zeros((8, 9, 3), np.uint8)] * 8, np.zeros((8, 9), np.uint8), "a list of as many masks"),
    ],
)
def test_input_that_does_not_fit_is_refused(photo: object, mask: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Inpainter.load("pyramid")(photo, mask)


def test_a_photo_that_is_hardly_transparent_has_no_hole() -> None:
    photo = Image.new("RGBA", (9, 8), (1, 2, 3, 254))
    inpainter = Inpainter.load("pyramid")
    for filled in (inpainter(photo, "alpha"), *inpainter([photo] * 2, "alpha")):
        assert filled.getpixel((0, 0)) == (1, 2, 3, 255)


@pytest.mark.parametrize(
    "options", [{"strategy": "hwole"}, {"feather": -5}, {"texture": "patch"}, {"seed": -1}, {"seed": 2**32}]
)
def test_options_out_of_range_are_refused(options: dict[str, object]) -> None:
    photo, mask, inpainter = np.zeros((8, 9, 3), np.uint8), np.zeros((8, 9), np.uint8), Inpainter.load("pyramid")
    for complete in (inpainter, inpainter.complete, lambda _, mask, **more: inpainter([], [], **more)):
        with pytest.raises(UsageError, match=f"^{next(iter(options))} "):
            complete(photo, mask, **options)


def test_complete_takes_masks_as_the_call_does() -> None:
    photo, mask = np.full((20, 30, 3), 77, np.uint8), random_mask(20, 30, rng=np.random.default_rng(0))
    photo[mask == 255] = 0
    inpainter = Inpainter.load("pyramid")
    for same in (mask, mask == 255, mask.astype(np.int32), mask.astype(np.uint16) * 257):
        assert (inpainter.complete(photo, same) == 77).all()


@pytest.mark.parametrize(
    ("photo", "mask", "said"),
    [
        (np.zeros((8, 9, 3), np.uint8), np.zeros((9, 8), bool), "the same size"),
        (np.zeros((8, 9), np.uint8), np.zeros((8, 9), bool), "height x width x 3"),
        (np.zeros((8, 9, 3), np.float32), np.zeros((8, 9), bool), "uint8 or uint16"),
        (np.zeros((8, 9, 3), np.uint8), np.zeros((8, 9, 2), bool), "a mask is"),
    ],
)
def test_complete_refuses_what_does_not_fit(photo: np.ndarray, mask: np.ndarray, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Inpainter.load("pyramid").complete(photo, mask)
