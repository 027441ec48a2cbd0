"""Training and completing on a GPU: the same as on the CPU, in three number formats, alone and in two processes."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from onar import Inpainter, TrainConfig, random_mask, train
from onar.masks.holes import known_from_mask
from onar.metrics.feature_networks import load_features
from onar.settings.options import Precision
from onar.training.gan.launch import start_accelerator, start_processes
from onar.training.gan.networks import build_gan
from onar.training.gan.step import GAN
from onar.training.learning import NotFiniteError
from onar.training.precision import announce_device, choose_precision
from tests.conftest import PHOTOS
from tests.support.runs import SMALL, flags, records, state
from tests.training.test_step import spoil_gradients, values_of

pytestmark = pytest.mark.cuda

DEVICE = "cuda"
RATE = 1e-3  # of learning; Adam's first step moves a weight that far for a gradient of any size
GPU = {**SMALL, "device": DEVICE, "lambda_content": 0.0, "learning_rate_g": RATE}


def build(precision: Precision, device: str = DEVICE) -> GAN:
    """A small GAN with a real content network. Accelerate has one state, so only the latest one can make steps."""
    sizes = {"img_size": 64, "base_channels": 8, "depth": 4, "discriminator_channels": 8}
    config = TrainConfig(**sizes, learning_rate_g=RATE, learning_rate_d=RATE, ema_decay=0.9, device=device)
    features = load_features("efficientnet_lite0").to(start_processes(config).device)
    return build_gan(config, start_accelerator(config, precision), features, total_steps=10)


def batch() -> tuple[Tensor, Tensor]:
    """Eight bundled photos at 64 pixels, with holes."""
    rng = np.random.default_rng(0)
    photos = [np.asarray(Image.open(path).resize((64, 64))) for path in sorted(PHOTOS.glob("*.jpg"))[:8]]
    known = [known_from_mask(random_mask(64, 64, rng=rng, hole_ratio=(0.1, 0.4))) for _ in photos]
    return torch.from_numpy(np.stack(photos)), torch.from_numpy(np.stack(known)).byte()


def flat(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.detach().flatten().cpu().double() for part in parts])


def gradients(gan: GAN) -> Tensor:
    """Those of the first step, as Adam's averages keep them."""
    optimizers = [gan.state_dict()[name]["state"] for name in ("optimizer_g", "optimizer_d")]
    return flat([weight["exp_avg"] for part in optimizers for weight in part.values()])


def weights(gan: GAN) -> Tensor:
    return flat([*gan.generator.parameters(), *gan.discriminator.parameters()])


# The formats have 10 bits behind the leading one (fp32, too: GPUs convolve it as TF32) or 7. Computed in software on a
# CPU, a step in fp16 has a gradient 5 % of its length away from that of fp32, one in bf16 13 %; losses were 0.01 % and
# 0.02 % away, norms 0.3 % both. The limits are about three times that. A weight whose gradient is mostly rounding may
# go the other way, so the mean is compared: it was 0.02 and 0.08 of a step.
@pytest.mark.parametrize(("precision", "limit"), [("no", 0.15), ("fp16", 0.15), ("bf16", 0.4)])
def test_a_step_is_that_of_the_cpu_up_to_the_rounding_of_its_format(precision: Precision, limit: float) -> None:
    on_cpu = build("no", "cpu")
    expected_losses = on_cpu.step([batch()])
    gan = build(precision)
    losses = gan.step([batch()])
    assert losses == pytest.approx(expected_losses, rel=0.01)
    assert (gradients(gan) - gradients(on_cpu)).norm() < limit * gradients(on_cpu).norm()
    assert (weights(gan) - weights(on_cpu)).abs().mean() < limit * RATE


def test_an_overflow_halves_the_scale_of_fp16_and_the_step_is_made_with_what_fits() -> None:
    plain = build("fp16")
    plain.step([batch()])
    gan = build("fp16")
    spoil_gradients(gan.generator, 1, 2, factor=float("inf"))
    scale = gan.accelerator.scaler.get_scale()
    gan.step([batch()])
    assert gan.accelerator.scaler.get_scale() == scale / 4
    assert (gradients(gan) - gradients(plain)).norm() < 0.01 * gradients(plain).norm()


def test_gradients_that_overflow_at_any_scale_leave_weights_and_statistics_as_they_were() -> None:
    gan = build("fp16")
    spoil_gradients(gan.generator, *range(1, 100), factor=float("inf"))
    before = values_of(gan)
    with pytest.raises(NotFiniteError, match="G_gradient_norm"):
        gan.step([batch()])
    assert gan.accelerator.scaler.get_scale() <= 1
    assert all(torch.equal(a, b) for a, b in zip(values_of(gan), before, strict=True))


def kernels(network: nn.Module) -> list[Tensor]:
    """Weights with a memory order: of several channels and several pixels."""
    return [weight for weight in network.parameters() if weight.dim() == 4 and min(weight.shape) > 1]


def test_networks_stay_on_the_device_and_channels_last_through_a_step_and_a_checkpoint(tmp_path: Path) -> None:
    gan = build("no")
    gan.step([batch()])
    torch.save(gan.state_dict(), tmp_path / "state.pt")
    again = build("no")
    again.load_state_dict(torch.load(tmp_path / "state.pt", map_location="cpu", weights_only=True))
    again.step([batch()])
    for network in (gan.generator, again.generator, again.discriminator, again.kept_generator):
        assert kernels(network)
        for weight in kernels(network):
            assert weight.device.type == DEVICE
            assert weight.is_contiguous(memory_format=torch.channels_last)


def test_auto_takes_bf16_from_compute_capability_8_on(capsys: pytest.CaptureFixture[str]) -> None:
    taken = choose_precision("auto", None, torch.device(DEVICE))
    multiplies = torch.version.hip is not None or torch.cuda.get_device_capability() >= (8, 0)
    assert taken == ("bf16" if multiplies else "no")
    said = "bf16: this GPU multiplies it" if multiplies else "fp32: this GPU does not multiply"
    assert capsys.readouterr().out.startswith(f"Computing in {said}")
    announce_device(torch.device(DEVICE), "auto", "fp16")
    assert capsys.readouterr().err == f"Training on {torch.cuda.get_device_name()} (fp16)\n"


@pytest.mark.parametrize("precision", ["no", "fp16", "bf16", "auto"])
def test_a_run_goes_on_after_a_stop_to_the_same_weights(precision: str, photos: Path, tmp_path: Path) -> None:
    settings = {**GPU, "data": photos, "mixed_precision": precision, "ema_decay": 0.9}
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(TrainConfig(**settings, results_dir=whole))
    shutil.copytree(whole, stopped)
    (stopped / "generator_final.pth").unlink()
    (stopped / "checkpoints" / "step_00000006.pt").unlink()
    train(TrainConfig(**settings, results_dir=stopped))
    assert [record["step"] for record in records(stopped, "step")] == [1, 2, 3, 4, 5, 6]
    start, going_on = records(stopped, "start")
    assert start["device"] == going_on["device"] == DEVICE
    assert start["mixed_precision"] == going_on["mixed_precision"]
    assert going_on["step"] == 3
    # The order of additions changes from run to run, and Adam turns a small gradient's rounding into whole steps.
    one, other = (state(folder / "generator_final.pth") for folder in (whole, stopped))
    moved = flat([one[name].float() - other[name].float() for name in one if name.endswith("weight")]).abs()
    assert moved.mean() < 0.5 * RATE
    for name in ("Pixel_loss", "G_loss"):
        losses = [[record[name] for record in records(folder, "step")] for folder in (whole, stopped)]
        assert losses[0] == pytest.approx(losses[1], rel=0.05)


@pytest.mark.parametrize("network", ["bundled", "trained"])
def test_a_photo_is_completed_as_on_the_cpu(network: str, finished: Path) -> None:
    weights = finished / "generator_final.pth" if network == "trained" else None
    photo = np.asarray(Image.open(min(PHOTOS.glob("*.jpg"))))
    mask = random_mask(*photo.shape[:2], rng=np.random.default_rng(1), hole_ratio=(0.1, 0.3))
    on_cpu, on_gpu = (Inpainter.load(weights, device)(photo, mask) for device in ("cpu", DEVICE))
    assert np.abs(on_cpu.astype(int) - on_gpu).max() <= 1
    assert np.array_equal(on_gpu[mask == 0], photo[mask == 0])


@pytest.mark.process
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_processes_train_over_nccl(photos: Path, tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "onar"]
    settings = {**GPU, "data": photos, "results_dir": tmp_path / "two", "mixed_precision": "auto", "ema_decay": 0.9}
    command = [*launcher, "train", *flags(**settings)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    (start,) = records(tmp_path / "two", "start")
    assert (start["device"], start["processes"]) == (DEVICE, 2)
    train(TrainConfig(**{**settings, "batch_size": 8, "results_dir": tmp_path / "one"}))
    for name in ("Pixel_loss", "D_loss"):
        losses = [records(tmp_path / folder, "step")[0][name] for folder in ("two", "one")]
        assert losses[0] == pytest.approx(losses[1], rel=0.01)
