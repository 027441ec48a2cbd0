"""A step and a network's pass do not wait for a GPU: what would make them is counted, on the CPU."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from onar.models import GENERATORS, Discriminator
from onar.models.colour_unet import ColourUNet
from onar.models.texture_blend import TextureBlend
from onar.training.blend.step import BLEND_LOSSES, BlendGAN
from onar.training.colours.step import ColourTraining
from onar.training.learning import MovingAverage, NotFiniteError, read_finite
from tests.support.waits import Waits
from tests.training.test_step import TinyFeatures, batch, small_gan

CPU = torch.device("cpu")
NETWORKS = [(name, arguments) for name, generator in GENERATORS.items() for arguments in generator.small]


def test_what_waits_is_counted() -> None:
    with Waits() as waits:
        torch.ones(3).sum().item()
        float(torch.ones(()))
        torch.tensor([1.0, 2.0])
        torch.ones(2).new_tensor([1.0])
        torch.ones(2).to("meta")
        torch.ones(2, device="meta").copy_(torch.ones(2))
        torch.ones(4)[torch.ones(4) > 0]
        torch.full((), 3.0) * torch.arange(4).where(torch.arange(4) > 2, 0)
    assert waits.counts["a number is read"] == 2
    assert waits.counts["a tensor is made of Python's numbers"] == 2
    assert waits.counts["a copy between devices"] == 2
    assert waits.counts["positions are read"] == 1


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("name", "arguments"), NETWORKS)
def test_a_pass_of_a_generator_does_not_wait(name: str, arguments: Any, training: bool) -> None:
    network = GENERATORS[name](**arguments).train(training)
    photo = torch.rand(2, arguments.get("channels", 3), 65, 96, requires_grad=True)
    known = torch.ones(2, 1, 65, 96)
    for bf16 in (False, True):
        with Waits() as waits, torch.autocast(CPU.type, torch.bfloat16, enabled=bf16):
            network(photo, known).sum().backward()
        assert waits.counts == Counter()


@pytest.mark.parametrize("build", [TextureBlend, Discriminator, ColourUNet])
def test_a_pass_of_the_other_networks_does_not_wait(build: Any) -> None:
    network = Discriminator(32, 4) if build is Discriminator else build(6)
    photo, known = torch.rand(2, 3, 64, 64), torch.ones(2, 1, 64, 64)
    inputs = {TextureBlend: (photo, photo, photo, known), ColourUNet: (photo, known)}.get(build, (photo,))
    with Waits() as waits:
        network(*inputs).sum().backward()
    assert waits.counts == Counter()


def test_an_update_of_the_average_does_not_wait() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to("meta")
    average = MovingAverage(network, 0.9, use_buffers=True)
    assert average.n_averaged.device == CPU
    for _ in range(3):
        with Waits(host=[average.n_averaged]) as waits:
            average.update_parameters(network)
        assert waits.counts == Counter()


# On the CPU reading all numbers at once is no operation, so what is counted is read one by one.
@pytest.mark.parametrize("changes", [{}, {"ema_decay": 0.9, "max_grad_norm": 1.0}, {"lambda_adv": 0.0}], ids=str)
def test_a_step_of_training_reads_its_numbers_at_once(changes: Mapping[str, Any]) -> None:
    gan = small_gan(**changes)
    for _ in range(2):  # the optimiser makes its averages in the first
        with Waits(host=[gan.average.n_averaged] if gan.average else []) as waits:
            gan.step([batch(2), batch(1)])
        assert waits.counts == Counter()


def test_a_step_of_a_blend_reads_its_numbers_at_once() -> None:
    weights = {loss.name: 0.1 for loss in BLEND_LOSSES}
    gan = BlendGAN(
        TextureBlend(4), Discriminator(32, 4, "local"), TinyFeatures(), weights, (1e-3, 1e-3), lambda _: 1.0, 0.9, CPU,
        bf16=False,
    )  # fmt: skip
    pairs = torch.randint(0, 256, (2, 13, 32, 32), dtype=torch.uint8)
    check_steps(gan, pairs)


def test_a_step_of_a_colour_predictor_reads_its_numbers_at_once() -> None:
    training = ColourTraining(ColourUNet(6), 1e-3, lambda _: 1.0, 0.9, CPU, bf16=False)
    known = torch.ones(2, 1, 64, 64)
    known[..., 20:40, 20:40] = 0
    check_steps(training, (torch.rand(2, 3, 64, 64), known))


def check_steps(networks: BlendGAN | ColourTraining, given: Any) -> None:
    averages = [learner.average.n_averaged for learner in networks.learners.values() if learner.average]
    networks.step(given)
    with Waits(host=averages) as waits:
        networks.step(given)
    # Adam, which is not fused here, counts its steps on the CPU: they are the processor's own.
    assert waits.counts.keys() <= {"a number is read"}
    assert waits.counts["a number is read"] <= steps_counted(networks)


def steps_counted(networks: BlendGAN | ColourTraining) -> int:
    optimizers = [learner.optimizer for learner in networks.learners.values()]
    counts = [state["step"] for optimizer in optimizers for state in optimizer.state.values()]
    assert all(count.device == CPU for count in counts)
    return len(counts)


def test_numbers_that_are_not_finite_are_named() -> None:
    values: dict[str, Tensor] = {"one": torch.tensor(1.5), "two": torch.tensor(float("inf"))}
    with pytest.raises(NotFiniteError, match="two is inf"):
        read_finite(values)
    assert read_finite({"one": values["one"]}) == {"one": 1.5}
