from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from onar.errors import OnarError, UsageError
from onar.metrics.learned_distances import MIN_SIDE, LearnedDistance, frechet_distance, kernel_distance, lpips, st_lpips
from onar.metrics.set_features import load_set_features
from tests.conftest import PHOTOS
from tests.support.processes import run

NAMES = ("skimage_chelsea.jpg", "skimage_coffee.jpg")


def load(blur: float = 0, size: int = 64) -> Tensor:
    sharp = [Image.open(PHOTOS / name).convert("RGB").resize((size, size)) for name in NAMES]
    pictures = [np.array(one.filter(ImageFilter.GaussianBlur(blur))) for one in sharp]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def shift_tolerant() -> LearnedDistance:
    return st_lpips()


@pytest.fixture
def random_alexnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A torch cache in which AlexNet has random weights."""
    from torchvision.models import alexnet

    cached = tmp_path / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    cached.parent.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(alexnet().state_dict(), cached)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return cached


def test_st_lpips_is_zero_for_the_same_picture_and_grows_with_the_damage(shift_tolerant: LearnedDistance) -> None:
    photo = load()
    same, little, much = (shift_tolerant(load(blur), photo) for blur in (0, 1, 3))
    assert same.tolist() == [0, 0]
    assert ((little > 0) & (little < much)).all()


def test_st_lpips_takes_pictures_from_0_to_1(shift_tolerant: LearnedDistance) -> None:
    photo, blurred = load(), load(2)
    expected = shift_tolerant.network(2 * blurred - 1, 2 * photo - 1).flatten()
    torch.testing.assert_close(shift_tolerant(blurred, photo), expected)


def test_st_lpips_hardly_minds_a_shift_by_a_pixel(shift_tolerant: LearnedDistance) -> None:
    photo = load(size=96)
    shifted = shift_tolerant(photo[..., 1:, 1:], photo[..., :-1, :-1])
    assert (shifted < 0.5 * shift_tolerant(load(1, size=96), photo)).all()


def test_lpips_is_that_of_torchmetrics(random_alexnet: Path) -> None:
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

    photo, blurred = load(), load(2)
    ours = lpips()(blurred, photo)
    for index in range(2):
        pair = blurred[index : index + 1], photo[index : index + 1]
        expected = learned_perceptual_image_patch_similarity(*pair, net_type="alex", normalize=True)
        assert ours[index].item() == pytest.approx(expected.item())
        assert ours[index] > 0
    assert lpips()(photo, photo).tolist() == [0, 0]


def test_distances_are_there_from_the_smallest_side(shift_tolerant: LearnedDistance, random_alexnet: Path) -> None:
    photo, blurred = load(size=MIN_SIDE), load(1, size=MIN_SIDE)
    for distance in (shift_tolerant, lpips()):
        assert distance(blurred, photo).isfinite().all()
    with pytest.raises(RuntimeError):
        lpips()(photo[..., 2:], photo[..., 2:])


def test_a_damaged_cache_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = tmp_path / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"not weights")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(OnarError, match=r"damaged.*alexnet-owt-7be5be79\.pth"):
        lpips()


@pytest.mark.process
def test_without_weights_and_network_lpips_says_so_at_once(tmp_path: Path) -> None:
    dead = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    code = "import onar\nfrom onar.metrics.learned_distances import lpips\n"
    code += "try: lpips()\nexcept onar.OnarError as error: print(error)"
    done = run("-c", code, env=os.environ | dead | {"TORCH_HOME": str(tmp_path), "no_proxy": "", "NO_PROXY": ""})
    assert "cannot be downloaded" in done.stdout
    assert str(tmp_path) in done.stdout


def test_sets_that_are_the_same_have_no_distance() -> None:
    features = torch.randn(40, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)
    assert kernel_distance(features, features) <= 0  # without bias, so a little below


def test_the_frechet_distance_is_that_of_the_formula() -> None:
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(0)
    real, other = rng.standard_normal((60, 5)), 1 + 2 * rng.standard_normal((50, 5))
    first, second = np.cov(real, rowvar=False), np.cov(other, rowvar=False)
    shift = real.mean(0) - other.mean(0)
    expected = shift @ shift + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert frechet_distance(torch.from_numpy(real), torch.from_numpy(other)) == pytest.approx(expected)


def test_the_kernel_distance_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(0)
    real, other = rng.standard_normal((6, 3)), 1 + rng.standard_normal((6, 3))

    def kernel(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        return (one @ two.T / 3 + 1) ** 3

    within = sum(k.sum() - np.trace(k) for k in (kernel(real, real), kernel(other, other))) / (6 * 5)
    expected = within - 2 * kernel(real, other).mean()
    assert kernel_distance(torch.from_numpy(real), torch.from_numpy(other)) == pytest.approx(expected)


def test_sets_further_apart_have_a_larger_distance() -> None:
    features = load_set_features("efficientnet_lite0")
    real, near, far = (features(torch.cat([load(blur), load(blur).flip(3)])) for blur in (0, 0.5, 3))
    assert (real.dtype, real.shape) == (torch.float64, (4, 80))
    assert frechet_distance(real, near) < frechet_distance(real, far)
    assert kernel_distance(real, near) < kernel_distance(real, far)


def test_an_unknown_feature_network_is_refused_by_the_flags_name() -> None:
    with pytest.raises(UsageError, match=r"^features is vgg16 or efficientnet_lite0 or inception_v3, not 'inception'"):
        load_set_features("inception")
