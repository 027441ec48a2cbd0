"""Properties every registered generator has, and those of each."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from onar.export.onnx_files import onnx_of, run_onnx
from onar.models import GENERATORS, Discriminator, PConvUNet
from onar.models.colour_unet import CELL, ColourUNet
from onar.models.pyramid_fill import pyramid_fill

EVERY_GENERATOR = [
    pytest.param(name, options, id=f"{name}{options}") for name in GENERATORS for options in GENERATORS[name].small
]


def photo_with_hole(height: int, width: int, batch: int = 1, channels: int = 3) -> tuple[Tensor, Tensor]:
    known = torch.ones(batch, 1, height, width)
    known[..., height // 4 : height // 4 + max(1, height // 3), width // 4 : width // 4 + max(1, width // 3)] = 0
    return torch.rand(batch, channels, height, width), known


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(("name", "options"), EVERY_GENERATOR)
class TestEveryGenerator:
    @pytest.mark.parametrize(("height", "width"), [(64, 64), (1, 1), (37, 53), (300, 5)])
    def test_keeps_the_size_and_the_range(self, name: str, options: dict, height: int, width: int) -> None:
        generator = GENERATORS[name](**options).eval()
        photo, known = photo_with_hole(height, width, channels=options.get("channels", 3))
        completed = generator(photo * known, known)
        assert completed.shape == photo.shape
        assert 0 <= completed.min() <= completed.max() <= 1

    def test_pixels_inside_the_hole_cannot_change_the_output(self, name: str, options: dict) -> None:
        generator = GENERATORS[name](**options).eval()
        photo, known = photo_with_hole(48, 64, channels=options.get("channels", 3))
        garbage = photo * known + (1 - known) * 1000 * torch.randn_like(photo)
        assert torch.equal(generator(photo, known), generator(garbage, known))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_nothing_under_the_hole_reaches_output_or_gradients(self, name: str, options: dict, value: float) -> None:
        generator = GENERATORS[name](**options).eval()
        photo, known = photo_with_hole(48, 64, channels=options.get("channels", 3))
        poisoned = photo.masked_fill(known == 0, value).requires_grad_()
        completed = generator(poisoned, known)
        assert torch.equal(completed, generator(photo, known))
        completed.sum().backward()
        assert all(torch.isfinite(leaf.grad).all() for leaf in (poisoned, *generator.parameters()))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_nothing_under_the_hole_reaches_what_onnx_runtime_gives(
        self, name: str, options: dict, value: float, tmp_path: Path
    ) -> None:
        (tmp_path / "network.onnx").write_bytes(onnx_of(GENERATORS[name](**options).eval(), {"training_size": "64"}))
        run = run_onnx(tmp_path / "network.onnx")
        photo, known = photo_with_hole(48, 64, channels=options.get("channels", 3))
        assert torch.equal(run(photo.masked_fill(known == 0, value), known), run(photo, known))

    @pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
    def test_scripted_it_computes_the_same_bit_for_bit(self, name: str, options: dict, tmp_path: Path) -> None:
        generator = GENERATORS[name](**options).eval()
        for parameter in generator.parameters():
            nn.init.normal_(parameter, std=0.1)
        torch.jit.save(torch.jit.script(generator), tmp_path / "scripted.pt")
        scripted = torch.jit.load(tmp_path / "scripted.pt")
        for size in ((37, 53), (128, 96), (1, 1)):
            photo, known = photo_with_hole(*size, channels=options.get("channels", 3))
            assert torch.equal(scripted(photo, known), generator(photo, known))

    def test_all_hole_gives_a_finite_picture(self, name: str, options: dict) -> None:
        generator = GENERATORS[name](**options).eval()
        completed = generator(torch.zeros(1, options.get("channels", 3), 32, 32), torch.zeros(1, 1, 32, 32))
        assert torch.isfinite(completed).all()

    def test_every_parameter_gets_a_finite_gradient(self, name: str, options: dict) -> None:
        generator: nn.Module = GENERATORS[name](**options)
        # Zero weights in the last layer would hide the others from the gradient.
        for parameter in generator.parameters():
            nn.init.normal_(parameter, std=0.1)
        photo, known = photo_with_hole(64, 64, batch=2, channels=options.get("channels", 3))
        (generator(photo * known, known) - photo).abs().sum().backward() if list(generator.parameters()) else None
        for parameter_name, parameter in generator.named_parameters():
            assert parameter.grad is not None, parameter_name
            assert torch.isfinite(parameter.grad).all(), parameter_name
            assert parameter.grad.abs().sum() > 0, parameter_name

    def test_the_architecture_builds_it_again(self, name: str, options: dict) -> None:
        generator = GENERATORS[name](**options)
        architecture = dict(generator.architecture)
        GENERATORS[architecture.pop("generator")](**architecture).load_state_dict(generator.state_dict())


def test_the_default_network_is_the_guides() -> None:
    network = PConvUNet()
    kernels = [level.conv.kernel_size[0] for level in network.encoder]
    widths = [level.conv.out_channels for level in network.encoder]
    assert (kernels, widths) == ([7, 5, 5, 3, 3, 3, 3, 3], [64, 128, 256, 512, 512, 512, 512, 512])
    assert all(level.conv.stride == (2, 2) for level in network.encoder)
    assert all(level.conv.kernel_size == (3, 3) for level in network.decoder)
    assert [level.conv.weight.shape[1] for level in network.decoder] == [1024] * 4 + [768, 384, 192, 67]


def test_the_state_dict_holds_weights_and_batch_norm_only() -> None:
    assert {name.split(".", 3)[2] for name in PConvUNet(8, 4).state_dict()} == {"conv", "norm"}


def test_the_pyramid_network_starts_as_the_pyramid_fill() -> None:
    network = PConvUNet(8, 4, "pyramid")
    photo, known = photo_with_hole(64, 64, batch=2)
    torch.testing.assert_close(network(photo * known, known), pyramid_fill(photo, known))


def test_the_correction_of_the_pyramid_fill_counts_by_the_share_of_holes_around() -> None:
    network = PConvUNet(8, 4, "pyramid", correction_window=21).eval()
    torch.nn.init.constant_(network.head[-1].bias, 0.1)
    photo, known = torch.full((1, 3, 64, 96), 0.5), torch.ones(1, 1, 64, 96)
    known[..., 48:] = 0
    known[..., 20:41, 10] = 0  # a scratch
    correction = network(photo, known).detach()[0, 0] - pyramid_fill(photo, known)[0, 0]
    assert correction[32, 70] == pytest.approx(0.1, abs=1e-6)
    assert correction[32, 47] == pytest.approx(0.1 * 10 / 21, abs=1e-6)
    assert correction[30, 10] == pytest.approx(0.1 / 21, abs=1e-6)
    assert correction[0, 30] == pytest.approx(0.1 * 10 / 21, abs=1e-6)  # outside the photo is a hole
    assert correction[32, 30] == 0
    network.head.window = 0
    assert network(photo, known)[0, 0, 32, 47].item() == pytest.approx(0.6, abs=1e-6)


def test_colours_count_by_the_share_of_a_cell_that_is_hole() -> None:
    network = PConvUNet(8, 2, "pyramid", colour_channels=6).eval()
    torch.nn.init.zeros_(network.colours.last.weight)
    torch.nn.init.constant_(network.colours.last.bias, 0.2)
    photo, known = torch.full((1, 3, 100, 150), 0.5), torch.ones(1, 1, 100, 150)
    known[..., 16:80, 32:120] = 0
    known[..., 84, 0:16] = 0  # an eighth of two cells
    completed = network(photo, known).detach()[0, 0]
    torch.testing.assert_close(completed[20:76, 36:116], torch.full((56, 80), 0.7))
    assert completed[84, 4].item() == pytest.approx(0.5 + 0.2 / 8, abs=0.01)
    assert completed[4, 60].item() == pytest.approx(0.5)


def test_photos_of_half_the_size_with_cells_of_half_the_side_have_the_same_colours() -> None:
    network = ColourUNet(6).eval()
    photo, known = photo_with_hole(64, 128)
    twice, known_twice = (x.repeat_interleave(2, 2).repeat_interleave(2, 3) for x in (photo * known, known))
    torch.testing.assert_close(network(photo * known, known, CELL // 2), network(twice, known_twice))


@pytest.mark.parametrize(("base_fill", "window"), [("pyramid", 4), ("pyramid", -3), ("none", 5)])
def test_a_correction_window_is_odd_and_needs_the_pyramid(base_fill: str, window: int) -> None:
    with pytest.raises(ValueError, match="correction_window"):
        PConvUNet(8, 4, base_fill, window)


def test_a_normalised_network_needs_no_pyramid() -> None:
    with pytest.raises(ValueError, match="normalised is for networks with base_fill none"):
        PConvUNet(8, 4, "pyramid", normalised=True)


@pytest.mark.parametrize("training", [True, False])
def test_freezing_batch_norm_freezes_statistics_and_affine_terms_of_the_encoder(training: bool) -> None:
    network = PConvUNet(8, 4)
    network.freeze_encoder_norm()
    network.train(training)
    before = {name: value.clone() for name, value in network.state_dict().items() if "norm" in name}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1.0)
    photo, known = photo_with_hole(32, 32, batch=2)
    network(photo, known).sum().backward()
    optimizer.step()
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items() if name.startswith("encoder"))
    changed = [name for name, value in before.items() if not torch.equal(value, after[name])]
    assert any(name.startswith("decoder") and name.endswith("weight") for name in changed)
    assert training == any(name.endswith("running_mean") for name in changed)


def test_one_photo_whose_innermost_level_is_one_pixel_trains() -> None:
    network = PConvUNet(4, 4)
    photo, known = photo_with_hole(16, 16)
    network(photo, known).sum().backward()
    innermost = network.encoder[3]
    assert innermost.norm.running_mean.abs().sum() == 0  # one value has no statistics worth keeping
    assert torch.isfinite(innermost.conv.weight.grad).all()


def test_evaluation_does_not_touch_batch_norm() -> None:
    network = PConvUNet(8, 4).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(*photo_with_hole(32, 32))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_pyramid_fill_is_exact_where_known_and_constant_in_a_constant_photo() -> None:
    photo, known = photo_with_hole(37, 53)
    assert torch.equal(pyramid_fill(photo, known) * known, photo * known)
    grey = torch.full((1, 3, 37, 53), 0.25)
    torch.testing.assert_close(pyramid_fill(grey, known), grey)


def test_the_pyramid_fill_averages_known_pixels_only() -> None:
    photo = torch.tensor([[[[0.2, 0.4], [0.6, 9.0]]]])
    known = torch.tensor([[[[1.0, 1.0], [1.0, 0.0]]]])
    coarse = (0.2 + 0.4 + 0.6) / 3
    filled = pyramid_fill(photo, known)[0, 0, 1, 1]
    # Four smoothing steps with replicated edges keep the pixel between its neighbours and the coarse value.
    assert min(0.2, coarse) <= filled <= max(0.6, coarse)


def test_the_pyramid_fill_is_differentiable() -> None:
    photo, known = photo_with_hole(5, 6)
    photo = photo.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pyramid_fill(x, known), (photo,))


def test_gradient_checkpointing_changes_neither_gradients_nor_statistics() -> None:
    plain = PConvUNet(8, 4, "pyramid")
    nn.init.normal_(plain.head[-1].weight)
    sparing = copy.deepcopy(plain)
    sparing.gradient_checkpointing = True
    photo, known = photo_with_hole(48, 32, batch=2)
    for network in (plain, sparing):
        network(photo, known).square().sum().backward()
    kept = sparing.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in plain.state_dict().items())
    pairs = zip(plain.parameters(), sparing.parameters(), strict=True)
    assert all(torch.equal(one.grad, other.grad) for one, other in pairs)


@pytest.mark.parametrize(("size", "stages"), [(512, 9), (256, 8), (128, 7), (100, 6), ((64, 128), 6)])
def test_the_discriminator_reduces_a_photo_to_one_prediction(size: int | tuple[int, int], stages: int) -> None:
    network = Discriminator(size, base_channels=4)
    height, width = (size, size) if isinstance(size, int) else size
    assert network(torch.rand(1, 3, height, width)).shape == (1, 1, 1, width // height)
    assert sum(isinstance(layer, nn.Conv2d) for layer in network.layers) == stages


def test_the_local_discriminator_sees_patches_of_70_pixels() -> None:
    network = Discriminator(128, base_channels=4, variant="local")
    photo = torch.rand(1, 3, 128, 128, requires_grad=True)
    network(photo)[0, 0, 7, 7].backward()
    rows = photo.grad.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == 70


@pytest.mark.parametrize("build", [lambda: PConvUNet(base_fill="zero"), lambda: Discriminator(variant="tiny")])
def test_unknown_variants_are_refused(build: object) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        build()
