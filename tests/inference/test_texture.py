"""Copied texture: where it comes from, what it leaves alone, and that the graph computes what the network does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file
from torch import nn

from onar import Inpainter
from onar.checkpoint import load_blend, save_safetensors
from onar.errors import OnarError, UsageError
from onar.export.verb import export
from onar.inference import detail, rules, texture
from onar.inference.backends import BLEND_MULTIPLE, Blend, _run_torch_blend
from onar.inference.detail import Copy, restore_detail
from onar.inference.scaling import double, halve
from onar.inference.texture import blend_in_tiles, copy_texture, depth_of, plan_texture
from onar.inference.windows import Box
from onar.masks.generation import random_mask
from onar.models.texture_blend import BANDS, TextureBlend, bands, enlarge
from onar.weights.bundled import bundled_photos, bundled_weights, texture_weights


@pytest.fixture(scope="module")
def inpainter() -> Inpainter:
    return Inpainter.load(device="cpu")


def bundled_photo(name: str) -> np.ndarray:
    (path,) = bundled_photos().glob(f"*{name}*.jpg")
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return bundled_photo("kitten")[:320, :320]


@pytest.fixture(scope="module")
def hole() -> np.ndarray:
    hole = np.zeros((320, 320), bool)
    hole[100:190, 10:100] = True
    return hole


def contrast(photo: np.ndarray, where: np.ndarray) -> float:
    """Mean difference of pixels to their neighbours."""
    return float(np.abs(np.diff(photo.astype(float), axis=1))[where[:, 1:] & where[:, :-1]].mean())


def test_a_deep_hole_has_the_contrast_of_the_rest_of_the_photo_and_known_pixels_stay(inpainter, hole) -> None:
    spices = bundled_photo("spices")[:320, :320]
    textured = inpainter(spices, hole, texture="patches")
    smooth = inpainter(spices, hole, texture="network")
    assert np.array_equal(textured[~hole], spices[~hole])
    around = contrast(spices, ~hole)
    assert 0.75 * around < contrast(textured, hole) < 1.25 * around
    assert contrast(smooth, hole) < 0.5 * around


def test_16_bits_get_the_same_texture_at_their_own_depth(inpainter, photo, hole) -> None:
    deep = inpainter(photo.astype(np.uint16) * 257, hole, texture="patches")
    assert deep.dtype == np.uint16
    assert np.array_equal(deep[~hole], photo[~hole].astype(np.uint16) * 257)
    assert len(np.unique(deep[hole])) > 256
    assert np.abs(deep / 257 - inpainter(photo, hole, texture="patches")).mean() < 2


def test_what_lies_in_the_hole_makes_no_difference(inpainter, photo, hole) -> None:
    emptied = np.where(hole[..., None], np.uint8(255), photo)
    assert np.array_equal(inpainter(photo, hole), inpainter(emptied, hole))


def test_the_same_seed_gives_the_same_picture_and_another_another(inpainter, photo, hole) -> None:
    first = inpainter(photo, hole, seed=3)
    assert np.array_equal(first, inpainter(photo, hole, seed=3))
    assert not np.array_equal(first, inpainter(photo, hole, seed=4))


def test_thin_holes_and_the_pyramid_fill_stay_as_they_are(inpainter, photo, hole) -> None:
    scratch = np.zeros_like(hole)
    scratch[100:104, 20:300] = True
    assert np.array_equal(inpainter(photo, scratch), inpainter(photo, scratch, texture="network"))
    pyramid = Inpainter.load("pyramid")
    assert np.array_equal(pyramid(photo, hole), pyramid(photo, hole, texture="network"))


def test_without_wasmtime_the_network_fills_unless_patches_are_asked(inpainter, photo, hole, monkeypatch) -> None:
    alone = inpainter(photo, hole, texture="network")
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    assert np.array_equal(inpainter(photo, hole), alone)
    with pytest.raises(OnarError, match="pip install wasmtime"):
        inpainter(photo, hole, texture="patches")


def test_other_weights_are_refused_as_a_blend(tmp_path) -> None:
    with pytest.raises(OnarError, match="does not hold what blends fills"):
        Blend(bundled_weights())
    save_safetensors(tmp_path / "whole.safetensors", TextureBlend(4), {})
    for whole in (texture_weights(), tmp_path / "whole.safetensors"):
        cut = tmp_path / f"cut{whole.suffix}"
        cut.write_bytes(whole.read_bytes()[:-100])
        with pytest.raises(OnarError, match="damaged"):
            Blend(cut)
    earlier = tmp_path / "earlier.safetensors"
    architecture = {"network": "TextureBlend", "base_channels": 32}
    save_file({"weight": np.zeros(1)}, earlier, {"architecture": json.dumps(architecture)})
    with pytest.raises(OnarError, match="blends 2 fills, this version 3: train it again"):
        Blend(earlier)


@pytest.mark.parametrize("options", [{"texture": "wood"}, {"seed": -1}])
def test_what_cannot_be_is_refused(inpainter, photo, hole, options) -> None:
    with pytest.raises(UsageError, match=f"^{next(iter(options))} "):
        inpainter(photo, hole, **options)


def test_a_photo_without_a_known_pixel_is_filled(inpainter, photo) -> None:
    assert inpainter(photo, np.ones(photo.shape[:2], bool)).shape == photo.shape


def test_a_rim_that_half_the_scale_does_not_show_is_copied_from(inpainter, photo) -> None:
    hole = np.ones((41, 41), bool)
    hole[0] = hole[:, 0] = False
    _, coarse = copy_texture(inpainter(photo[:41, :41], hole, texture="network"), hole, 0)
    assert coarse[hole].std() > 0


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("is_column", [False, True])
def test_a_light_strip_with_a_hole_from_border_to_border_is_filled_lightly(inpainter, scale, is_column) -> None:
    strip = np.full((32, 600, 3), 235, np.uint8)
    cv2.putText(strip, "a line of text, of which a part is missing " * 2, (2, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 40)
    strip = cv2.resize(strip, (600 // scale, 32 // scale), interpolation=cv2.INTER_AREA)
    hole = np.zeros(strip.shape[:2], bool)
    hole[:, 190 // scale : 410 // scale] = True
    if is_column:
        strip, hole = strip.transpose(1, 0, 2).copy(), hole.T.copy()
    assert abs(inpainter(strip, hole, texture="patches")[hole].mean() - strip[~hole].mean()) < 15


def test_a_black_shape_on_light_ground_is_still_copied_black(inpainter) -> None:
    photo = np.full((160, 160, 3), 230, np.uint8)
    photo[70:90] = 0
    hole = np.zeros(photo.shape[:2], bool)
    hole[50:110, 60:100] = True
    for copied in copy_texture(inpainter(photo, hole, texture="network"), hole, 0):
        assert copied[75:85, 65:95].max() < 16
        assert copied[52:64, 65:95].min() > 200


def test_a_person_cut_off_by_the_lower_edge_is_filled_with_texture(inpainter) -> None:
    photo = np.asarray(Image.open(next(bundled_photos().glob("*kitten*.jpg"))).convert("RGB").resize((900, 704)))
    hole = np.zeros(photo.shape[:2], bool)
    hole[524:, 250:650] = True
    filled = inpainter(photo, hole, texture="patches")
    assert (filled == photo)[~hole].all()
    assert contrast(filled, hole) > 0.5 * contrast(photo, ~hole)


def test_windows_hold_every_hole_once_and_surroundings_to_copy_from() -> None:
    bare = np.zeros((2400, 3000), bool)
    bare[100:400, 100:300] = True  # one hole
    bare[100:140, 320:360] = True  # another, near
    bare[900:2300, 200:2900] = True  # too large for one window
    filled = np.zeros(bare.shape, int)
    photo = Box(0, 0, *bare.shape)
    for windows in plan_texture(bare):
        for window in windows:
            filled[window.core.slices] += 1
            assert window.shown == window.shown.grown(0, photo)
            assert window.shown.area > window.core.area
    assert (filled[bare] == 1).all()


def test_very_deep_holes_get_the_contrast_of_the_photo_though_copied_at_a_lower_scale(inpainter, monkeypatch) -> None:
    monkeypatch.setattr(rules, "TEXTURE_DEPTH", 64)  # the bundled photos have no room for deeper holes
    spices = bundled_photo("spices")[:440, :440]
    hole = np.zeros(spices.shape[:2], bool)
    hole[100:340, 100:340] = True
    assert depth_of(hole) > rules.TEXTURE_DEPTH
    around = contrast(spices, ~hole)
    for copied in copy_texture(inpainter(spices, hole, texture="network"), hole, 0):
        assert 0.75 * around < contrast(copied, hole) < 1.25 * around
    enlarged = double(halve(spices, np.zeros_like(hole))[0], hole)
    assert contrast(enlarged, hole) < 0.75 * around  # what there would be without detail


def test_detail_comes_from_where_the_same_is_known() -> None:
    photo = np.tile(bundled_photo("spices")[:96, :96], (3, 3, 1))
    hole = np.zeros(photo.shape[:2], bool)
    hole[112:180, 110:170] = True
    small, unknown = halve(photo, np.zeros_like(hole))[0], halve(photo, hole)[1]
    emptied = np.where(hole[..., None], 0, photo).astype(np.uint8)
    restored = restore_detail(emptied, hole, Copy(small), unknown).pixels
    assert np.abs(restored[hole].astype(int) - photo[hole]).mean() < 0.5
    assert np.abs(double(small, hole)[hole].astype(int) - photo[hole]).mean() > 4


def test_detail_wants_a_known_patch(photo) -> None:
    hole = np.ones(photo.shape[:2], bool)
    hole[:6] = False  # a rim that is narrower than a patch at half the scale
    small, unknown = halve(photo, hole)
    assert np.array_equal(restore_detail(photo, hole, Copy(small), unknown).pixels, double(small, hole))


def test_the_graph_computes_what_the_network_does() -> None:
    network = load_blend(texture_weights())
    rng = np.random.default_rng(0)
    fills = rng.random((3, 80, 112, 3), np.float32)
    known = (random_mask(80, 112, rng=rng) == 0).astype(np.float32)
    with torch.no_grad():
        tensors = (torch.from_numpy(fill).permute(2, 0, 1)[None] for fill in fills)
        expected = network(*tensors, torch.from_numpy(known)[None, None])[0].permute(1, 2, 0).numpy()
    blend = Blend(texture_weights())
    assert np.abs(blend(*fills, known) - expected).max() < 1e-4
    # Sides of any length: the edge is repeated, which is seen near it alone.
    assert blend(*fills[:, :77, :101], known[:77, :101]).shape == (77, 101, 3)


@pytest.mark.parametrize("base_channels", [4, 7, 32])
def test_a_blend_is_the_same_as_safetensors_and_as_onnx(tmp_path: Path, base_channels: int) -> None:
    network = TextureBlend(base_channels).eval()
    save_safetensors(tmp_path / "blend.safetensors", network, {})
    export(str(tmp_path / "blend.safetensors"), tmp_path / "blend.onnx")
    again = load_blend(tmp_path / "blend.onnx").state_dict()
    assert all(torch.equal(value, again[name]) for name, value in network.state_dict().items())
    rng = np.random.default_rng(0)
    fills, known = rng.random((3, 80, 112, 3), np.float32), np.zeros((80, 112), np.float32)
    one, other = (Blend(tmp_path / f"blend.{ending}")(*fills, known) for ending in ("safetensors", "onnx"))
    assert np.abs(one - other).max() < 1e-4
    in_torch = _run_torch_blend(tmp_path / "blend.onnx", 0, "cpu")  # as on a GPU, also from ONNX
    names = ("network", "patches", "coarse_patches")
    inputs = {name: fill.transpose(2, 0, 1)[None] for name, fill in zip(names, fills, strict=True)}
    (pixels,) = in_torch(inputs | {"known": known[None, None]})
    assert np.array_equal(pixels.transpose(1, 2, 0), one)


def test_the_blend_runs_where_a_network_of_torch_does() -> None:
    of_torch, of_onnx = Inpainter(nn.Identity(), 64, "cpu"), Inpainter.load(device="cpu")
    of_torch.backend.device = "cuda:1"  # a GPU that is not there
    assert of_torch._blend_device == "cuda:1"
    assert of_onnx._blend_device == "cpu"


def test_sides_of_a_blend_are_padded_to_those_of_its_coarsest_band() -> None:
    assert BLEND_MULTIPLE == 2 ** (BANDS - 1)


@pytest.mark.parametrize(
    ("weight", "value", "said"),
    [
        ("attention.weight", np.zeros((3, 3), np.float32), "unknown attention.weight: was it written by a newer Onar"),
        ("heads.1.weight", np.zeros((7, 6, 3, 3), np.float32), r"heads.1.weight is \(7, 6, 3, 3\), not \(6, 6, 3, 3\)"),
        ("heads.1.bias", np.zeros(6, np.int64), "heads.1.bias is int64"),
        ("encoder.0.0.weight", np.zeros((4, 55, 3, 3), np.float32), r"encoder.0.0.weight is \(4, 55, 3, 3\)"),
        ("fine.1.bias", None, "no fine.1.bias"),
    ],
)
def test_a_blend_of_other_weights_is_refused(tmp_path: Path, weight: str, value: object, said: str) -> None:
    network = TextureBlend(4)
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()} | {weight: value}
    path = tmp_path / "other.safetensors"
    save_file({name: array for name, array in state.items() if array is not None}, path, said_of(network.architecture))
    with pytest.raises(OnarError, match=f"other.safetensors does not fit TextureBlend: {said}"):
        Blend(path)


def test_a_blend_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    network, path = TextureBlend(4), tmp_path / "newer.safetensors"
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    save_file(state, path, said_of({**network.architecture, "attention": True}))
    with pytest.raises(OnarError, match="says attention of its TextureBlend, which this version does not know"):
        Blend(path)


def said_of(architecture: dict[str, object]) -> dict[str, str]:
    return {"architecture": json.dumps(architecture)}


def test_bands_add_up_to_the_image() -> None:
    image = torch.rand(1, 3, 64, 96)
    parts = bands(image)
    assert [part.shape[-1] for part in parts] == [96 >> number for number in range(BANDS)]
    total = parts.pop()
    while parts:
        total = enlarge(total) + parts.pop()
    assert torch.allclose(total, image, atol=1e-6)


def test_mixed_texture_can_keep_its_contrast() -> None:
    """Two textures that have nothing in common lose contrast in their mean; the gain of a band brings it back."""
    torch.manual_seed(0)
    copied, coarse = 0.5 + 0.1 * torch.randn(2, 1, 3, 64, 64)
    network = TextureBlend().eval()
    with torch.no_grad():
        for layer in (network.fine[1], *network.heads):
            layer.weight.zero_()
            layer.bias.view(6, -1)[:3] = torch.tensor([-9.0, 0.0, 0.0])[:, None]  # half of each copy
        contrast = []
        for gain in (0.0, 0.88):  # once, 1.41 times
            for layer in (network.fine[1], *network.heads):
                layer.bias.view(6, -1)[2] = gain
            contrast.append(network(coarse, copied, coarse, torch.zeros(1, 1, 64, 64)).std() / copied.std())
    assert contrast[0] < 0.75
    assert contrast[1] == pytest.approx(1, abs=0.05)


def test_before_training_texture_is_copied_and_colours_are_the_networks() -> None:
    torch.manual_seed(0)
    texture = torch.rand(1, 3, 64, 64) * 0.2
    led, copied = torch.full((1, 3, 64, 64), 0.7), 0.3 + texture
    coarse = torch.full_like(led, 0.3)
    with torch.no_grad():
        blended = TextureBlend().eval()(led, copied, coarse, torch.zeros(1, 1, 64, 64))
    assert blended.mean() > (led.mean() + copied.mean()) / 2
    assert blended.std() > texture.std() / 2


# ---------------------------------------------------------------- blending in tiles
def three_fills(rng: np.random.Generator, height: int, width: int, kind: type[np.generic]) -> list[np.ndarray]:
    """A fill of a generator in that depth, two of patches in 8 bits, and the holes."""
    coarse = rng.integers(0, 256, (3, height // 8 + 1, width // 8 + 1, 3)).astype(np.uint8)
    led, copied, rough = (np.kron(one, np.ones((8, 8, 1), np.uint8))[:height, :width] for one in coarse)
    hole = np.kron(rng.random((height // 48 + 1, width // 48 + 1)) < 0.6, np.ones((48, 48), bool))[:height, :width]
    return [led.astype(kind) * (257 if kind is np.uint16 else 1), copied, rough, hole]


@pytest.mark.parametrize("seed", range(6))
def test_fills_blended_in_tiles_are_bit_for_bit_those_blended_at_once(seed, monkeypatch) -> None:
    rng, blend = np.random.default_rng(seed), Blend(texture_weights())
    height, width = (int(side) for side in rng.integers(250, 480, 2))
    fills = three_fills(rng, height, width, (np.uint8, np.uint16)[seed % 2])
    at_once = blend_in_tiles(blend, *fills)
    monkeypatch.setattr(texture, "BLEND_TILE", (64, 128, 240)[seed % 3])
    assert np.array_equal(blend_in_tiles(blend, *fills), at_once)
    hole = fills[-1]
    assert np.array_equal(at_once[~hole], fills[0][~hole])


def test_no_more_is_blended_at_once_than_a_tile_with_what_it_sees(monkeypatch) -> None:
    seen = []

    def blend(led, copied, coarse, known):
        seen.append(known.shape)
        return led

    hole = np.zeros((3000, 2600), bool)
    hole[20:2900, 1500:2500] = True
    led = np.zeros((*hole.shape, 3), np.uint8)
    assert blend_in_tiles(blend, led, led, led, hole).shape == led.shape
    assert max(max(shape) for shape in seen) <= texture.BLEND_TILE + 2 * texture.BLEND_SIGHT
    assert len(seen) == 18  # of 36 tiles those with holes


def test_detail_that_is_restored_in_parts_is_bit_for_bit_that_of_all_at_once(photo, monkeypatch) -> None:
    hole = np.zeros(photo.shape[:2], bool)
    hole[60:260, 90:317] = True
    small, unknown = halve(photo, hole)
    fill = Copy(np.where(unknown[..., None], 128, small).astype(np.uint8))
    at_once = restore_detail(photo, hole, fill, unknown)
    monkeypatch.setattr(detail, "MAX_PIXELS", 999)
    assert np.array_equal(restore_detail(photo, hole, fill, unknown).pixels, at_once.pixels)
