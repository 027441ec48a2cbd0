from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from onar.metrics import MAX_PSNR, METRICS, score, ssim_map

PHOTOS = Path(__file__).parents[1] / "src/onar/assets/photos"
PERFECT = {"psnr": MAX_PSNR, "psnr_hole": MAX_PSNR, "ssim": 1, "ssim_hole": 1, "l1": 0, "l1_hole": 0}
HOLE_METRICS = [name for name in METRICS if name.endswith("_hole")]
SSIM_OPTIONS = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}


def load(name: str, blur: float = 0) -> Tensor:
    picture = Image.open(PHOTOS / name).convert("RGB").filter(ImageFilter.GaussianBlur(blur))
    return torch.from_numpy(np.asarray(picture)[80:200, 90:270].copy()).permute(2, 0, 1).float() / 255


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return torch.stack([load("skimage_chelsea.jpg"), load("skimage_coffee.jpg")])


@pytest.fixture(scope="module")
def blurred() -> Tensor:
    return torch.stack([load("skimage_chelsea.jpg", blur=2), load("skimage_coffee.jpg", blur=4)])


@pytest.fixture(scope="module")
def known(photo: Tensor) -> Tensor:
    known = torch.ones_like(photo[:, :1])
    known[0, :, 30:70, 40:90] = 0
    known[1, :, :20, 100:] = 0
    return known


def to_array(picture: Tensor) -> np.ndarray:
    return picture.permute(1, 2, 0).numpy()


def full_ssim(one: Tensor, other: Tensor) -> tuple[float, np.ndarray]:
    return structural_similarity(to_array(one), to_array(other), channel_axis=-1, full=True, **SSIM_OPTIONS)


@pytest.mark.parametrize("crop", [(120, 180), (120, 11), (11, 180), (37, 53)])
def test_psnr_and_ssim_agree_with_scikit_image(blurred: Tensor, photo: Tensor, crop: tuple[int, int]) -> None:
    height, width = crop
    blurred, photo = blurred[..., :height, :width], photo[..., :height, :width]
    ours = score(blurred, photo, torch.ones_like(photo[:, :1]))
    for index, (one, other) in enumerate(zip(blurred, photo, strict=True)):
        expected = peak_signal_noise_ratio(to_array(other), to_array(one), data_range=1)
        assert ours["psnr"][index].item() == pytest.approx(expected, abs=1e-4)
        assert ours["ssim"][index].item() == pytest.approx(full_ssim(one, other)[0], abs=1e-4)


def test_ssim_map_agrees_with_scikit_image_up_to_the_border(blurred: Tensor, photo: Tensor) -> None:
    for one, other, ours in zip(blurred, photo, ssim_map(blurred, photo), strict=True):
        expected = full_ssim(one, other)[1]
        np.testing.assert_allclose(to_array(ours), expected, atol=3e-3)  # float32, pixel by pixel
        border = np.pad(np.zeros((110, 170), bool), 5, constant_values=True)
        assert to_array(ours)[border].mean() == pytest.approx(expected[border].mean(), abs=1e-4)


def test_ssim_agrees_on_the_flattest_pictures() -> None:
    flat = torch.full((1, 3, 32, 32), 0.9)
    noisy = flat + 1 / 255 * (torch.arange(32) % 2)
    expected = full_ssim(noisy[0], flat[0])[0]
    assert METRICS["ssim"](noisy, flat, flat[:, :1]).item() == pytest.approx(expected, abs=1e-4)


def test_hole_scores_are_those_of_the_hole_pixels(blurred: Tensor, photo: Tensor, known: Tensor) -> None:
    scores = score(blurred, photo, known)
    for index in range(2):
        hole = known[index, 0].numpy() == 0
        one, other = to_array(blurred[index])[hole], to_array(photo[index])[hole]
        similarity = full_ssim(blurred[index], photo[index])[1][hole].mean()
        assert scores["psnr_hole"][index].item() == pytest.approx(peak_signal_noise_ratio(other, one, data_range=1))
        assert scores["l1_hole"][index].item() == pytest.approx(np.abs(one - other).mean())
        assert scores["ssim_hole"][index].item() == pytest.approx(similarity, abs=1e-4)


@pytest.mark.parametrize("name", ["psnr_hole", "l1_hole"])
def test_hole_scores_ignore_known_pixels(name: str, blurred: Tensor, photo: Tensor, known: Tensor) -> None:
    changed = torch.where(known > 0, 1 - blurred, blurred)
    torch.testing.assert_close(METRICS[name](changed, photo, known), METRICS[name](blurred, photo, known))


def test_ssim_of_the_hole_ignores_pixels_out_of_the_windows_reach(
    blurred: Tensor, photo: Tensor, known: Tensor
) -> None:
    far = torch.nn.functional.max_pool2d(1 - known, 11, stride=1, padding=5) == 0
    changed = torch.where(far, 1 - blurred, blurred)
    ours = METRICS["ssim_hole"]
    torch.testing.assert_close(ours(changed, photo, known), ours(blurred, photo, known), rtol=0, atol=1e-6)


def test_a_whole_frame_hole_scores_like_the_frame(blurred: Tensor, photo: Tensor, known: Tensor) -> None:
    scores = score(blurred, photo, torch.zeros_like(known))
    torch.testing.assert_close(scores["psnr_hole"], scores["psnr"])
    torch.testing.assert_close(scores["l1_hole"], scores["l1"])


def test_identical_pictures_get_the_cap_and_never_infinity(photo: Tensor, known: Tensor) -> None:
    for name, values in score(photo, photo, known).items():
        assert values.tolist() == pytest.approx([PERFECT[name]] * 2, abs=1e-6), name
    nearly = METRICS["psnr"](photo + 1e-9, photo, known)
    assert nearly.tolist() == [MAX_PSNR] * 2


@pytest.mark.parametrize("name", HOLE_METRICS)
def test_without_hole_pixels_hole_scores_are_perfect(name: str, blurred: Tensor, photo: Tensor, known: Tensor) -> None:
    assert METRICS[name](blurred, photo, torch.ones_like(known)).tolist() == [PERFECT[name]] * 2
    half = torch.cat([torch.ones_like(known[:1]), known[1:]])
    values = METRICS[name](blurred, photo, half)
    assert values[0] == PERFECT[name]
    assert values[1] != PERFECT[name]


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (10, 10), (4, 200)])
def test_photos_smaller_than_the_ssim_window_have_scores(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    photo, other = torch.rand(2, 2, 3, *size).unbind(0)
    scores = score(other, photo, torch.zeros(2, 1, *size))
    assert all(values.shape == (2,) and values.isfinite().all() for values in scores.values())
    assert (scores["ssim"] < 1).all()
    torch.testing.assert_close(scores["ssim"], scores["ssim_hole"])


def test_each_photo_is_scored_by_itself(blurred: Tensor, photo: Tensor, known: Tensor) -> None:
    together = score(blurred, photo, known)
    alone = score(blurred[1:], photo[1:], known[1:])
    for name in METRICS:
        torch.testing.assert_close(together[name][1:], alone[name])


def test_half_precision_pictures_are_scored_in_float32(blurred: Tensor, photo: Tensor, known: Tensor) -> None:
    scores = score(blurred.bfloat16(), photo.bfloat16(), known.bfloat16())
    assert list(scores) == list(METRICS)
    assert all(values.dtype == torch.float32 and values.isfinite().all() for values in scores.values())
