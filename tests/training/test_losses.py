from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from onar.metrics.feature_networks import load_features
from onar.training.losses import (
    content_loss,
    gram,
    local_statistics_loss,
    normalised_feature_loss,
    pixel_loss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
    style_loss,
    total_variation,
)
from tests.support.perceptual import perceptual_terms

PHOTOS = Path(__file__).parents[2] / "src/onar/assets/photos"


@pytest.fixture(scope="module")
def photo() -> Tensor:
    names = ("skimage_chelsea.jpg", "skimage_coffee.jpg")
    arrays = [np.asarray(Image.open(PHOTOS / name).convert("RGB"))[100:164, 100:180] for name in names]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def completed(photo: Tensor) -> Tensor:
    return photo.flip(0)


@pytest.fixture(scope="module")
def known(photo: Tensor) -> Tensor:
    known = torch.ones_like(photo[:, :1])
    known[:, :, 20:40, 30:50] = 0
    return known


@pytest.fixture(scope="module")
def efficientnet() -> nn.Module:
    return load_features("efficientnet_lite0")


class TinyFeatures(nn.Module):
    """A real two-stage network that remembers how it was called."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stages = nn.ModuleList([nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, 16, 3, stride=2)])
        self.requires_grad_(False)
        self.batches: list[int] = []

    def forward(self, image: Tensor) -> list[Tensor]:
        self.batches.append(len(image))
        maps = []
        for stage in self.stages:
            image = stage(image).relu()
            maps.append(image)
        return maps


# ---------------------------------------------------------------- pixel
def test_pixel_loss_without_hole_weight_is_plain_l1(completed: Tensor, photo: Tensor, known: Tensor) -> None:
    torch.testing.assert_close(pixel_loss(completed, photo, known), F.l1_loss(completed, photo))


def test_pixel_loss_is_the_papers_sum_of_two_means_of_a_frame(completed: Tensor, photo: Tensor, known: Tensor) -> None:
    error = (completed - photo).abs()
    expected = (known * error).sum() / photo.numel() + 6 * ((1 - known) * error).sum() / photo.numel()
    torch.testing.assert_close(pixel_loss(completed, photo, known, hole_weight=6), expected)


# ---------------------------------------------------------------- content and style
def test_perceptual_loss_of_identical_pictures_is_zero(photo: Tensor) -> None:
    terms = perceptual_terms(TinyFeatures(), photo, photo, photo)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx({"content": 0, "style": 0}, abs=1e-6)


def test_content_loss_adds_raw_output_and_composite(completed: Tensor, photo: Tensor, known: Tensor) -> None:
    features = TinyFeatures()
    composite = known * photo + (1 - known) * completed
    pairs = [pair for one in (completed, composite) for pair in zip(features(one), features(photo), strict=True)]
    expected = sum(F.l1_loss(one, target) for one, target in pairs)
    torch.testing.assert_close(perceptual_terms(features, completed, composite, photo)["content"], expected)


def test_style_is_computed_only_when_wanted(completed: Tensor, photo: Tensor) -> None:
    assert list(perceptual_terms(TinyFeatures(), completed, photo, photo, style=0)) == ["content"]
    assert list(perceptual_terms(TinyFeatures(), completed, photo, photo)) == ["content", "style"]


def test_features_are_computed_once_for_both_terms(completed: Tensor, photo: Tensor) -> None:
    features = TinyFeatures()
    perceptual_terms(features, completed, completed, photo)
    assert features.batches == [2, 4], "photos once, raw outputs and composites together once"


def test_gradient_reaches_the_output_and_not_the_target(completed: Tensor, photo: Tensor) -> None:
    output, target = completed.clone().requires_grad_(), photo.clone().requires_grad_()
    features = TinyFeatures()
    sum(perceptual_terms(features, output, output, target).values()).backward()
    assert output.grad.abs().sum() > 0
    assert target.grad is None
    assert all(parameter.grad is None for parameter in features.parameters())


def test_gram_matrix_is_the_scaled_product_of_the_rows(photo: Tensor) -> None:
    expected = torch.einsum("bchw,bdhw->bcd", photo.double(), photo.double()) / photo[0].numel()
    torch.testing.assert_close(gram(photo).double(), expected, rtol=1e-4, atol=1e-6)


def test_style_loss_forgets_where_things_are(photo: Tensor) -> None:
    assert style_loss([photo.roll((7, 9), (2, 3))], [photo]).item() == pytest.approx(0, abs=1e-6)
    assert content_loss([photo.roll((7, 9), (2, 3))], [photo]).item() > 0.01


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_style_loss_of_large_half_precision_features_is_finite(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    large, target = (1000 * torch.rand(2, 2, 64, 32, 32)).to(dtype).unbind(0)
    large.requires_grad_()
    with torch.autocast("cpu", dtype):
        loss = style_loss([large], [target])
    loss.backward()
    assert (loss.dtype, loss.isfinite()) == (torch.float32, True)
    assert large.grad.isfinite().all()


# ---------------------------------------------------------------- total variation
def test_total_variation_sees_only_the_dilated_hole(photo: Tensor, known: Tensor) -> None:
    dilated = torch.zeros_like(known)
    dilated[:, :, 19:41, 29:51] = 1
    changed = torch.where(dilated > 0, photo, 1 - photo)
    torch.testing.assert_close(total_variation(changed, known), total_variation(photo, known), rtol=0, atol=0)


def test_total_variation_equals_sum_over_pairs_in_the_dilated_hole(photo: Tensor, known: Tensor) -> None:
    crop = photo[:, :, 19:41, 29:51]
    expected = (crop.diff(dim=2).abs().sum() + crop.diff(dim=3).abs().sum()) / photo.numel()
    torch.testing.assert_close(total_variation(photo, known), expected)


def test_total_variation_without_hole_is_zero(photo: Tensor, known: Tensor) -> None:
    assert total_variation(photo, torch.ones_like(known)) == 0
    assert total_variation(photo[..., :1, :1], known[..., :1, :1]) == 0


# ---------------------------------------------------------------- RaGAN
def test_ragan_equals_the_formula_of_the_paper() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(2, 5, 1, 3, 3, dtype=torch.float64).unbind(0)
    real_relative, fake_relative = torch.sigmoid(real - fake.mean()), torch.sigmoid(fake - real.mean())
    discriminator = -(real_relative.log().mean() + (1 - fake_relative).log().mean()) / 2
    generator = -(fake_relative.log().mean() + (1 - real_relative).log().mean()) / 2
    assert relativistic_discriminator_loss(real, fake).item() == pytest.approx(discriminator.item(), rel=1e-6)
    assert relativistic_generator_loss(real, fake).item() == pytest.approx(generator.item(), rel=1e-6)


@pytest.mark.parametrize("loss", [relativistic_discriminator_loss, relativistic_generator_loss])
def test_ragan_of_equal_logits_is_ln_2(loss) -> None:
    assert loss(torch.full((4, 1), 3.0), torch.full((4, 1), 3.0)).item() == pytest.approx(math.log(2))


def test_generator_and_discriminator_exchange_roles() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(2, 4, 1).unbind(0)
    assert relativistic_generator_loss(real, fake) == relativistic_discriminator_loss(fake, real)
    assert relativistic_discriminator_loss(real + 5, fake) < relativistic_discriminator_loss(real, fake)
    assert relativistic_generator_loss(real + 5, fake) > relativistic_generator_loss(real, fake)


def test_halves_of_a_batch_with_the_global_mean_average_to_the_whole_batch() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(2, 6, 1).unbind(0)
    losses = []
    for half, other in zip(real.split(3), fake.split(3), strict=True):
        mean = lambda logits, half=half: (real if torch.equal(logits, half) else fake).mean()  # noqa: E731
        losses.append(relativistic_discriminator_loss(half, other, mean))
    torch.testing.assert_close(torch.stack(losses).mean(), relativistic_discriminator_loss(real, fake))


# ---------------------------------------------------------------- all of them
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_every_loss_of_half_precision_tensors_is_a_finite_float32(
    completed: Tensor, photo: Tensor, known: Tensor, dtype: torch.dtype
) -> None:
    half, target, holes = completed.to(dtype), photo.to(dtype), known.to(dtype)
    logits = torch.tensor([[-6e4], [6e4]]).to(dtype)
    losses = [
        pixel_loss(half, target, holes, 6),
        total_variation(half, holes),
        content_loss([half], [target]),
        relativistic_discriminator_loss(logits, logits.flip(0)),
        relativistic_generator_loss(logits, logits.flip(0)),
    ]
    assert all(loss.dtype == torch.float32 and loss.isfinite() and loss.ndim == 0 for loss in losses)


# ---------------------------------------------------------------- windows and unit vectors
def test_losses_of_the_blend_are_0_for_equal_features(photo: Tensor) -> None:
    features = TinyFeatures()(photo)
    assert local_statistics_loss(features, features) == normalised_feature_loss(features, features) == 0


def test_local_statistics_prefer_the_same_texture_elsewhere_to_none_and_l1_the_other_way_round() -> None:
    texture, another = torch.randn(2, 1, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.5
    blurred = torch.full_like(texture, 0.5)
    assert local_statistics_loss([another], [texture]) < 0.25 * local_statistics_loss([blurred], [texture])
    assert content_loss([another], [texture]) > 1.3 * content_loss([blurred], [texture])


@pytest.mark.parametrize("name", ["pexels_105518", "budgie_perched_osprey", "skimage_coffee"])
@pytest.mark.parametrize(("shift", "most"), [(1, 0.45), (2, 0.6)])
def test_a_shift_of_a_photo_costs_local_statistics_less_beside_blur_than_l1(
    efficientnet: nn.Module, name: str, shift: int, most: float
) -> None:
    pixels = np.asarray(Image.open(PHOTOS / f"{name}.jpg").convert("RGB"))[20:230, 20:230].copy()
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    blurry = F.avg_pool2d(image, 5, stride=1, padding=2)
    crops = ((image, 8), (blurry, 8), (image, 8 + shift))
    target, blurred, shifted = (efficientnet(one[..., at : at + 192, at : at + 192]) for one, at in crops)
    costs = [loss(shifted, target) / loss(blurred, target) for loss in (local_statistics_loss, content_loss)]
    assert costs[0] < most
    assert costs[0] < 0.75 * costs[1]


def test_local_statistics_are_those_of_windows_that_overlap_by_half() -> None:
    one, other = torch.rand(2, 1, 2, 12, 12, generator=torch.Generator().manual_seed(0))
    windows = [(slice(top, top + 4), slice(left, left + 4)) for top in range(0, 9, 2) for left in range(0, 9, 2)]
    expected = 0.0
    for channel in range(2):
        for place in windows:
            a, b = one[0, channel][place].double(), other[0, channel][place].double()
            deviations = [(values.var(correction=0) + 1e-4).sqrt() for values in (a, b)]
            expected += float((a.mean() - b.mean()).abs() + 2 * (deviations[0] - deviations[1]).abs())
    loss = local_statistics_loss([one], [other], window_share=1 / 3)
    assert float(loss) == pytest.approx(expected / (2 * len(windows)), rel=1e-4)


def test_normalised_features_compare_directions_alone(photo: Tensor) -> None:
    one, other = (torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert normalised_feature_loss([7 * one], [one]) < 1e-10
    unit = [values.double() / values.double().norm(dim=1, keepdim=True) for values in (one, other)]
    means = [sum(v[:, :, i : i + 3, j : j + 3] for i in (0, 1) for j in (0, 1)) / 4 for v in unit]
    expected = ((means[0] - means[1]) ** 2).sum(1).mean()
    torch.testing.assert_close(normalised_feature_loss([one], [other]).double(), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("loss", [local_statistics_loss, normalised_feature_loss])
def test_losses_of_the_blend_have_a_gradient_also_where_features_are_flat(loss: Callable[..., Tensor]) -> None:
    flat = torch.zeros(1, 3, 8, 8, requires_grad=True)
    loss([flat], [torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))]).backward()
    assert flat.grad.isfinite().all()
