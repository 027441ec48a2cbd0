from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from onar.metrics.scores import MAX_PSNR, l1_hole, psnr, psnr_hole, ssim, ssim_hole, ssim_map
from onar.metrics.table import METRICS, score

PHOTOS = Path(__file__).parents[2] / "src/onar/assets/photos"
PERFECT = {"psnr": MAX_PSNR, "psnr_hole": MAX_PSNR, "ssim": 1, "ssim_hole": 1, "l1": 0, "l1_hole": 0}
Pictures = NDArray[np.float32]
HOLE_METRICS = {"psnr_hole": psnr_hole, "ssim_hole": ssim_hole, "l1_hole": l1_hole}
COMPUTED = [name for name, metric in METRICS.items() if metric.compute]
SSIM_OPTIONS = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}


def load(name: str, blur: float = 0) -> Pictures:
    picture = Image.open(PHOTOS / name).convert("RGB").filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(picture, np.float32)[80:200, 90:270].transpose(2, 0, 1) / 255


@pytest.fixture(scope="module")
def photo() -> Pictures:
    return np.stack([load("skimage_chelsea.jpg"), load("skimage_coffee.jpg")])


@pytest.fixture(scope="module")
def blurred() -> Pictures:
    return np.stack([load("skimage_chelsea.jpg", blur=2), load("skimage_coffee.jpg", blur=4)])


@pytest.fixture(scope="module")
def known(photo: Pictures) -> Pictures:
    known = np.ones_like(photo[:, :1])
    known[0, :, 30:70, 40:90] = 0
    known[1, :, :20, 100:] = 0
    return known


def to_array(picture: Pictures) -> np.ndarray:
    return picture.transpose(1, 2, 0)


def full_ssim(one: Pictures, other: Pictures) -> tuple[float, np.ndarray]:
    return structural_similarity(to_array(one), to_array(other), channel_axis=-1, full=True, **SSIM_OPTIONS)


@pytest.mark.parametrize("crop", [(120, 180), (120, 11), (11, 180), (37, 53)])
def test_psnr_and_ssim_agree_with_scikit_image(blurred: Pictures, photo: Pictures, crop: tuple[int, int]) -> None:
    height, width = crop
    blurred, photo = blurred[..., :height, :width], photo[..., :height, :width]
    ours = score(blurred, photo, np.ones_like(photo[:, :1]))
    for index, (one, other) in enumerate(zip(blurred, photo, strict=True)):
        expected = peak_signal_noise_ratio(to_array(other), to_array(one), data_range=1)
        assert ours["psnr"][index].item() == pytest.approx(expected, abs=1e-4)
        assert ours["ssim"][index].item() == pytest.approx(full_ssim(one, other)[0], abs=1e-4)


def test_ssim_map_agrees_with_scikit_image_up_to_the_border(blurred: Pictures, photo: Pictures) -> None:
    for one, other, ours in zip(blurred, photo, ssim_map(blurred, photo), strict=True):
        expected = full_ssim(one, other)[1]
        np.testing.assert_allclose(to_array(ours), expected, atol=3e-3)  # scikit-image computes in float32 here
        border = np.pad(np.zeros((110, 170), bool), 5, constant_values=True)
        assert to_array(ours)[border].mean() == pytest.approx(expected[border].mean(), abs=1e-4)


def test_ssim_agrees_on_the_flattest_pictures() -> None:
    flat = np.full((1, 3, 32, 32), 0.9, np.float32)
    noisy = flat + np.float32(1 / 255) * (np.arange(32, dtype=np.float32) % 2)
    assert ssim(noisy, flat, flat[:, :1]).item() == pytest.approx(full_ssim(noisy[0], flat[0])[0], abs=1e-4)


def test_hole_scores_are_those_of_the_hole_pixels(blurred: Pictures, photo: Pictures, known: Pictures) -> None:
    scores = score(blurred, photo, known)
    for index in range(2):
        hole = known[index, 0] == 0
        one, other = to_array(blurred[index])[hole], to_array(photo[index])[hole]
        similarity = full_ssim(blurred[index], photo[index])[1][hole].mean()
        assert scores["psnr_hole"][index].item() == pytest.approx(peak_signal_noise_ratio(other, one, data_range=1))
        assert scores["l1_hole"][index].item() == pytest.approx(np.abs(one - other).mean())
        assert scores["ssim_hole"][index].item() == pytest.approx(similarity, abs=1e-4)


@pytest.mark.parametrize("name", ["psnr_hole", "l1_hole"])
def test_hole_scores_ignore_known_pixels(name: str, blurred: Pictures, photo: Pictures, known: Pictures) -> None:
    changed = np.where(known > 0, 1 - blurred, blurred)
    np.testing.assert_allclose(HOLE_METRICS[name](changed, photo, known), HOLE_METRICS[name](blurred, photo, known))


def test_ssim_of_the_hole_ignores_pixels_out_of_reach(blurred: Pictures, photo: Pictures, known: Pictures) -> None:
    far = np.stack([cv2.dilate(1 - one[0], np.ones((11, 11)))[None] for one in known]) == 0
    changed = np.where(far, 1 - blurred, blurred)
    ours, theirs = (ssim_hole(picture, photo, known) for picture in (changed, blurred))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_a_whole_frame_hole_scores_like_the_frame(blurred: Pictures, photo: Pictures, known: Pictures) -> None:
    scores = score(blurred, photo, np.zeros_like(known))
    np.testing.assert_allclose(scores["psnr_hole"], scores["psnr"])
    np.testing.assert_allclose(scores["l1_hole"], scores["l1"])


def test_identical_pictures_get_the_cap_and_never_infinity(photo: Pictures, known: Pictures) -> None:
    for name, values in score(photo, photo, known).items():
        assert values.tolist() == pytest.approx([PERFECT[name]] * 2, abs=1e-6), name
    assert psnr(photo + 1e-9, photo, known).tolist() == [MAX_PSNR] * 2


@pytest.mark.parametrize("name", HOLE_METRICS)
def test_without_holes_hole_scores_are_perfect(name: str, blurred: Pictures, photo: Pictures, known: Pictures) -> None:
    assert HOLE_METRICS[name](blurred, photo, np.ones_like(known)).tolist() == [PERFECT[name]] * 2
    half = np.concatenate([np.ones_like(known[:1]), known[1:]])
    values = HOLE_METRICS[name](blurred, photo, half)
    assert values[0] == PERFECT[name]
    assert values[1] != PERFECT[name]


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (10, 10), (4, 200)])
def test_photos_smaller_than_the_ssim_window_have_scores(size: tuple[int, int]) -> None:
    photo, other = np.random.default_rng(0).random((2, 2, 3, *size))
    scores = score(other, photo, np.zeros((2, 1, *size)))
    assert all(values.shape == (2,) and np.isfinite(values).all() for values in scores.values())
    assert (scores["ssim"] < 1).all()
    np.testing.assert_allclose(scores["ssim"], scores["ssim_hole"])


def test_each_photo_is_scored_by_itself(blurred: Pictures, photo: Pictures, known: Pictures) -> None:
    together = score(blurred, photo, known)
    alone = score(blurred[1:], photo[1:], known[1:])
    for name in COMPUTED:
        np.testing.assert_allclose(together[name][1:], alone[name])


def test_tensors_score_as_arrays_do(blurred: Pictures, photo: Pictures, known: Pictures) -> None:
    tensors = score(*(torch.from_numpy(picture) for picture in (blurred, photo, known)))
    for name, values in score(blurred, photo, known).items():
        np.testing.assert_array_equal(tensors[name], values)
