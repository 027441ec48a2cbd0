import copy

import pytest
import torch
from torch import Tensor, nn

from onar.config import TrainConfig
from onar.gan import GAN, learning_rate_factor, moving_average
from onar.losses import PerceptualLoss
from onar.masks import composite
from onar.run import build_gan, start_accelerator


class TinyFeatures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1).requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        return [self.conv(image)]


def small_gan(**changes: object) -> GAN:
    config = TrainConfig(img_size=32, base_channels=4, depth=3, discriminator_channels=4, device="cpu", **changes)
    torch.manual_seed(0)
    perceptual_loss = PerceptualLoss(TinyFeatures(), style=config.lambda_style > 0)
    return build_gan(config, start_accelerator(config), perceptual_loss, total_steps=10)


def batch(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    photo = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    known = (torch.rand(count, 1, 32, 32, generator=generator) < 0.7).byte()
    return photo, known


def weights_of(network: nn.Module) -> list[Tensor]:
    return [value.detach().clone() for value in network.parameters()]


def gradients(network: nn.Module) -> list[Tensor | None]:
    return [value.grad for value in network.parameters()]


def test_the_discriminator_step_leaves_generator_gradients_untouched() -> None:
    gan = small_gan()
    photo, known = (part.float() for part in batch(2))
    whole = composite(photo / 255, gan.generator(photo / 255 * known, known), known)
    loss, _ = gan.discriminator_step(photo / 255, whole)
    loss.backward()
    assert all(gradient is None for gradient in gradients(gan.generator))
    assert all(gradient is not None for gradient in gradients(gan.discriminator))


def test_the_generator_step_leaves_discriminator_gradients_untouched() -> None:
    gan = small_gan()
    photo, known = (part.float() for part in batch(2))
    completed = gan.generator(photo / 255 * known, known)
    whole = composite(photo / 255, completed, known)
    _, real = gan.discriminator_step(photo / 255, whole)
    terms = gan.generator_step(photo / 255, known, completed, whole, real)
    torch.stack(list(terms.values())).sum().backward()
    assert all(gradient is None for gradient in gradients(gan.discriminator))
    assert all(gradient is not None for gradient in gradients(gan.generator))
    assert all(parameter.requires_grad for parameter in gan.discriminator.parameters())


def test_a_step_moves_both_networks_and_reports_the_five_losses() -> None:
    gan = small_gan()
    before = weights_of(gan.generator), weights_of(gan.discriminator)
    losses = gan.step([batch(4)])
    assert list(losses) == ["D_loss", "G_loss", "Pixel_loss", "Content_loss", "Adv_loss"]
    expected = losses["Pixel_loss"] + losses["Content_loss"] + 0.01 * losses["Adv_loss"]
    assert losses["G_loss"] == pytest.approx(expected, rel=1e-5)
    for old, network in zip(before, (gan.generator, gan.discriminator), strict=True):
        moved = [not torch.equal(a, b) for a, b in zip(old, network.parameters(), strict=True)]
        assert all(moved)


def test_a_term_that_weighs_nothing_is_not_computed() -> None:
    gan = small_gan(lambda_adv=0.0)
    before = weights_of(gan.discriminator)
    losses = gan.step([batch(2)])
    assert losses["D_loss"] == losses["Adv_loss"] == 0
    assert all(torch.equal(a, b) for a, b in zip(before, gan.discriminator.parameters(), strict=True))


def test_style_and_total_variation_are_reported_when_they_weigh_something() -> None:
    losses = small_gan(lambda_style=1.0, lambda_tv=0.1).step([batch(2)])
    assert losses["Style_loss"] > 0
    assert losses["TV_loss"] > 0


def test_accumulated_batches_give_the_gradient_of_one_large_batch() -> None:
    photo, known = batch(4)
    moved = []
    for group in ([(photo, known)], [(photo[:2], known[:2]), (photo[2:], known[2:])]):
        gan = small_gan(lambda_adv=0.0)  # RaGAN's means run over a batch, so its term cannot be equal
        gan.generator.eval()  # nor can batch statistics
        gan.step(group)
        moved.append(torch.cat([weight.flatten() for weight in weights_of(gan.generator)]))
    torch.testing.assert_close(moved[0], moved[1], rtol=1e-4, atol=1e-6)


def test_a_loss_that_is_not_finite_changes_no_weight() -> None:
    gan = small_gan()
    with torch.no_grad():
        next(gan.discriminator.parameters()).fill_(float("nan"))
    before = weights_of(gan.generator)
    losses = gan.step([batch(2)])
    assert torch.tensor(losses["Adv_loss"]).isnan()
    assert all(torch.equal(a, b) for a, b in zip(before, gan.generator.parameters(), strict=True))


def test_the_state_goes_on_bit_for_bit() -> None:
    gan, again = small_gan(ema_decay=0.9), small_gan(ema_decay=0.9, seed=1)
    gan.step([batch(2)])
    again.load_state_dict(copy.deepcopy(gan.state_dict()))
    for network in (gan, again):
        network.step([batch(2, seed=1)])
    for part in ("generator", "discriminator", "kept_generator"):
        pairs = zip(getattr(gan, part).state_dict().values(), getattr(again, part).state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_the_average_is_what_is_kept_and_follows_slowly() -> None:
    gan = small_gan(ema_decay=0.9, learning_rate_g=1e-2)
    start = weights_of(gan.kept_generator)[0]
    for _ in range(3):
        gan.step([batch(2)])
    kept, current = weights_of(gan.kept_generator)[0], weights_of(gan.generator)[0]
    assert not torch.equal(kept, current)
    assert (kept - start).norm() < (current - start).norm()


def test_the_moving_average_forgets_the_first_weights() -> None:
    average = moving_average(0.99)
    kept = [torch.zeros(1)]
    for step in range(200):
        average(kept, [torch.ones(1)], step)
    assert kept[0].item() > 0.99


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_learning_rate_rises_then_follows_its_schedule(schedule: str) -> None:
    factor = learning_rate_factor(schedule, warmup_steps=4, total_steps=104)
    rise = [factor(step) for step in range(5)]
    assert rise == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factor(54) == pytest.approx(1.0 if schedule == "constant" else 0.5)
    assert factor(104) == pytest.approx(1.0 if schedule == "constant" else 0.0)


def test_the_first_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = weights_of(small_gan().generator)
    torch.manual_seed(2)
    second = weights_of(small_gan().generator)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], weights_of(small_gan(seed=5).generator)[0])
