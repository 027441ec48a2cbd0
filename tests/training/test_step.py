import copy
from collections.abc import Iterable, Sequence
from itertools import count

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from onar.errors import UsageError
from onar.masks.holes import composite
from onar.settings.training import TrainConfig
from onar.training.gan.launch import start_accelerator, start_processes
from onar.training.gan.networks import build_gan
from onar.training.gan.step import GAN, GRADIENT_NORMS
from onar.training.learning import MovingAverage, NotFiniteError, learning_rate_factor


class TinyFeatures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1).requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        return [self.conv(image)]


def small_gan(scaler: torch.amp.GradScaler | None = None, **changes: object) -> GAN:
    config = TrainConfig(img_size=32, base_channels=4, depth=3, discriminator_channels=4, device="cpu", **changes)
    start_processes(config)
    accelerator = start_accelerator(config, "no")
    accelerator.scaler = scaler
    torch.manual_seed(0)
    return build_gan(config, accelerator, TinyFeatures(), total_steps=10)


def batch(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    photo = torch.randint(0, 256, (count, 32, 32, 3), generator=generator, dtype=torch.uint8)
    return photo, (torch.rand(count, 1, 32, 32, generator=generator) < 0.7).byte()


def tensors(count: int) -> tuple[Tensor, Tensor]:
    """A batch as networks take it: photo B×3×H×W in [0, 1], and known."""
    photo, known = batch(count)
    return photo.permute(0, 3, 1, 2).float() / 255, known.float()


def weights_of(network: nn.Module) -> list[Tensor]:
    return [value.detach().clone() for value in network.parameters()]


def gradients(network: nn.Module) -> list[Tensor | None]:
    return [value.grad for value in network.parameters()]


def same(some: Iterable[Tensor], others: Iterable[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def test_photos_keep_the_order_of_their_bytes_on_the_way_to_the_networks() -> None:
    photo, known = small_gan()._to_device(batch(2))
    assert torch.equal(photo.mul(255).round().byte().permute(0, 2, 3, 1), batch(2)[0])
    assert photo.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(known, batch(2)[1].float())


def test_the_discriminator_step_leaves_generator_gradients_untouched() -> None:
    gan = small_gan()
    photo, known = tensors(2)
    whole = composite(photo, gan.generator(photo * known, known), known)
    loss, _ = gan.discriminator_step(photo, whole)
    loss.backward()
    assert all(gradient is None for gradient in gradients(gan.generator))
    assert all(gradient is not None for gradient in gradients(gan.discriminator))


def test_the_generator_step_leaves_discriminator_gradients_untouched() -> None:
    gan = small_gan()
    photo, known = tensors(2)
    completed = gan.generator(photo * known, known)
    whole = composite(photo, completed, known)
    _, real = gan.discriminator_step(photo, whole)
    terms = gan.generator_step(photo, known, completed, whole, real)
    torch.stack(list(terms.values())).sum().backward()
    assert all(gradient is None for gradient in gradients(gan.discriminator))
    assert all(gradient is not None for gradient in gradients(gan.generator))
    assert all(parameter.requires_grad for parameter in gan.discriminator.parameters())


def test_a_step_moves_both_networks_and_reports_losses_and_gradients() -> None:
    gan = small_gan()
    before = weights_of(gan.generator), weights_of(gan.discriminator)
    losses = gan.step([batch(4)])
    assert list(losses) == ["D_loss", "G_loss", "Pixel_loss", "Content_loss", "Adv_loss", *GRADIENT_NORMS]
    expected = losses["Pixel_loss"] + losses["Content_loss"] + 0.01 * losses["Adv_loss"]
    assert losses["G_loss"] == pytest.approx(expected, rel=1e-5)
    for old, network in zip(before, (gan.generator, gan.discriminator), strict=True):
        assert not any(torch.equal(a, b) for a, b in zip(old, network.parameters(), strict=True))


def test_a_term_that_weighs_nothing_is_not_computed() -> None:
    gan = small_gan(lambda_adv=0.0)
    before = weights_of(gan.discriminator)
    losses = gan.step([batch(2)])
    assert losses["D_loss"] == losses["Adv_loss"] == 0
    assert same(before, gan.discriminator.parameters())


def test_style_and_total_variation_are_reported_when_they_weigh_something() -> None:
    losses = small_gan(lambda_style=1.0, lambda_tv=0.1).step([batch(2)])
    assert losses["Style_loss"] > 0
    assert losses["TV_loss"] > 0


@pytest.mark.parametrize("sizes", [[2, 2], [3, 1]])
def test_accumulated_batches_give_the_gradient_of_one_large_batch(sizes: list[int]) -> None:
    photo, known = batch(4)
    moved = []
    for group in ([(photo, known)], list(zip(photo.split(sizes), known.split(sizes), strict=True))):
        gan = small_gan(lambda_adv=0.0)  # RaGAN's means run over a batch, so its term cannot be equal
        gan.generator.eval()  # nor can batch statistics
        gan.step(group)
        moved.append(torch.cat([weight.flatten() for weight in weights_of(gan.generator)]))
    torch.testing.assert_close(moved[0], moved[1], rtol=1e-4, atol=1e-6)


def values_of(gan: GAN) -> list[Tensor]:
    """Weights and batch statistics of both networks."""
    return [*copy.deepcopy([*gan.generator.state_dict().values(), *gan.discriminator.state_dict().values()])]


def spoil_gradients(network: nn.Module, *calls: int, factor: float = float("nan")) -> None:
    """Multiply a gradient of a network by a factor in those of its backward passes, counted from 1."""
    passes = count(1)
    weight = list(network.parameters())[-1]
    weight.register_hook(lambda gradient: gradient * (factor if next(passes) in calls else 1))


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    gan = small_gan()
    with torch.no_grad():
        next(gan.discriminator.parameters()).fill_(float("nan"))
    before = values_of(gan)
    with pytest.raises(NotFiniteError, match="D_loss is nan"):
        gan.step([batch(2)])
    torch.testing.assert_close(values_of(gan), before, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_a_gradient_that_is_not_finite_changes_nothing_and_the_next_step_is_as_if_it_had_not_been(name: str) -> None:
    gan, other = small_gan(), small_gan()
    spoil_gradients(getattr(gan, name), 1)
    before = values_of(gan)
    with pytest.raises(NotFiniteError, match=f"{name[0].upper()}_gradient_norm is nan"):
        gan.step([batch(2, seed=1)])
    assert same(values_of(gan), before)
    for each in (gan, other):
        each.step([batch(2)])
    assert same(values_of(gan), values_of(other))


def test_gradients_are_shortened_to_the_largest_norm_and_reported_as_they_were() -> None:
    free, clipped = small_gan(), small_gan(max_grad_norm=1e-3)
    norms: dict[GAN, list[float]] = {}
    for gan in (free, clipped):
        gan.optimizer_g.optimizer.register_step_pre_hook(
            lambda optimizer, *_, gan=gan: norms.__setitem__(
                id(gan), torch.nn.utils.get_total_norm([w.grad for w in optimizer.param_groups[0]["params"]]).item()
            )
        )
    reported = [gan.step([batch(2)])["G_gradient_norm"] for gan in (free, clipped)]
    assert reported[0] == reported[1] == pytest.approx(norms[id(free)], rel=1e-5)
    assert reported[0] > 0.01
    assert norms[id(clipped)] == pytest.approx(1e-3, rel=1e-2)


def scaled_gan(scale: float) -> GAN:
    """A GAN with the loss scaling of fp16, on the CPU and without its number format."""
    return small_gan(torch.amp.GradScaler("cpu", init_scale=scale))


def test_an_overflow_of_scaled_gradients_is_computed_again_until_it_fits() -> None:
    plain, scaled = small_gan(), scaled_gan(2.0**16)
    spoil_gradients(scaled.discriminator, 1, 2, 3, factor=float("inf"))
    losses = [gan.step([batch(2)]) for gan in (plain, scaled)]
    assert scaled.accelerator.scaler.get_scale() == 2.0**13
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    for name, value in plain.generator.state_dict().items():  # once each, batch statistics included
        torch.testing.assert_close(value, scaled.generator.state_dict()[name])


def test_gradients_that_overflow_at_any_scale_are_reported_at_the_first_step() -> None:
    gan = scaled_gan(2.0**4)
    spoil_gradients(gan.generator, *range(1, 100))
    before = values_of(gan)
    with pytest.raises(NotFiniteError, match="G_gradient_norm is nan"):
        gan.step([batch(2)])
    assert same(values_of(gan), before)


def test_the_state_goes_on_bit_for_bit() -> None:
    gan, again = small_gan(ema_decay=0.9), small_gan(ema_decay=0.9, seed=1)
    gan.step([batch(2)])
    again.load_state_dict(copy.deepcopy(gan.state_dict()))
    for network in (gan, again):
        network.step([batch(2, seed=1)])
    for part in ("generator", "discriminator", "kept_generator"):
        assert same(getattr(gan, part).state_dict().values(), getattr(again, part).state_dict().values())


def test_the_average_is_what_is_kept_and_follows_slowly() -> None:
    gan = small_gan(ema_decay=0.9, learning_rate_g=1e-2)
    start = weights_of(gan.kept_generator)[0]
    for _ in range(3):
        gan.step([batch(2)])
    kept, current = weights_of(gan.kept_generator)[0], weights_of(gan.generator)[0]
    assert not torch.equal(kept, current)
    assert (kept - start).norm() < (current - start).norm()


def test_the_moving_average_forgets_the_first_weights() -> None:
    network = nn.Linear(1, 1)
    nn.init.zeros_(network.weight)
    average = MovingAverage(network, 0.99)
    average.update_parameters(network)
    assert average.module.weight.item() == 0
    nn.init.ones_(network.weight)
    for _ in range(200):
        average.update_parameters(network)
    assert average.module.weight.item() > 0.99


@pytest.mark.parametrize("use_buffers", [False, True])
def test_the_moving_average_is_that_of_torch(use_buffers: bool) -> None:
    def rule(averaged: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
        now = min(0.9, (1 + float(updates)) / (10 + float(updates)))
        for kept, new in zip(averaged, current, strict=True):
            kept.lerp_(new, 1 - now) if kept.is_floating_point() else kept.copy_(new)

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    mine = MovingAverage(network, 0.9, use_buffers=use_buffers)
    theirs = AveragedModel(network, multi_avg_fn=rule, use_buffers=use_buffers)
    for _ in range(12):
        network(torch.rand(2, 3, 8, 8)).sum().backward()
        with torch.no_grad():
            for weight in network.parameters():
                weight -= 0.1 * weight.grad
        mine.update_parameters(network)
        theirs.update_parameters(network)
    assert mine.state_dict().keys() == theirs.state_dict().keys()
    assert same(mine.state_dict().values(), theirs.state_dict().values())


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_learning_rate_rises_then_follows_its_schedule(schedule: str) -> None:
    factor = learning_rate_factor(schedule, warmup_steps=4, total_steps=104)
    assert [factor(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factor(54) == pytest.approx(1.0 if schedule == "constant" else 0.5)
    assert factor(104) == pytest.approx(1.0 if schedule == "constant" else 0.0)


def test_the_first_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = weights_of(small_gan().generator)
    torch.manual_seed(2)
    second = weights_of(small_gan().generator)
    assert same(first, second)
    assert not torch.equal(first[0], weights_of(small_gan(seed=5).generator)[0])


def test_learning_rates_follow_the_steps_of_the_run_also_past_those_that_were_skipped() -> None:
    whole, skipping = (small_gan(lr_schedule="cosine", warmup_steps=2) for _ in range(2))
    for number in range(5):
        whole.step([batch(2)])
        if number in (0, 2):
            with torch.no_grad():
                next(skipping.generator.parameters()).register_hook(lambda gradient: gradient * torch.nan)
            with pytest.raises(NotFiniteError):
                skipping.step([batch(2)])
            next(skipping.generator.parameters())._backward_hooks.clear()
        else:
            skipping.step([batch(2)])
        rates = [[schedule.get_last_lr() for schedule in gan.schedules] for gan in (whole, skipping)]
        assert rates[0] == rates[1]


def test_gradients_are_those_of_the_settings_whatever_a_launcher_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = small_gan()
    plain.step([batch(2)])
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR")
    launched = small_gan()
    launched.step([batch(2)])
    assert plain.generator.state_dict().keys() == launched.generator.state_dict().keys()
    assert same(weights_of(plain.generator), weights_of(launched.generator))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("WORLD_SIZE", "2", "WORLD_SIZE says that 2 processes train together, but MASTER_ADDR"),
        ("PMI_SIZE", "4", "PMI_SIZE says that 4 processes"),
        ("WORLD_SIZE", "two", "WORLD_SIZE is 'two'"),
        ("ACCELERATE_USE_FSDP", "true", "ACCELERATE_USE_FSDP is set"),
        ("ACCELERATE_USE_DEEPSPEED", "true", "ACCELERATE_USE_DEEPSPEED is set"),
    ],
)
def test_what_no_launcher_has_is_refused(name: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=reason):
        start_processes(TrainConfig(device="cpu"))
