"""Inpainter: any photo and any mask in, the completed photo out, at the photo's own size. `Canvas` does the work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.errors import UsageError, map_memory_errors
from onar.fills.patches import no_patches
from onar.imaging.arrays import in_unit_range
from onar.imaging.formats.endings import ending_of
from onar.imaging.grey import is_grey, to_grey
from onar.imaging.levels import Pixels
from onar.imaging.pictures import carry, join_alpha, set_upright, split_alpha
from onar.inference.backends import Backend, Blend, PyramidBackend, TorchBackend, naming_export
from onar.inference.canvas import Canvas
from onar.inference.holes import ALPHA, as_holes, check_size, fill_visible, mask_of_alpha
from onar.inference.progress import OnProgress, WorkProgress, ignore
from onar.inference.public_networks import PublicBackend, is_torchscript, load_onnx, load_torchscript
from onar.inference.scaling import to_frame, to_pixels
from onar.inference.texture import Texture, plan_texturing
from onar.masks.holes import Holes, holes_from_mask
from onar.settings.checks import require
from onar.settings.fill import FillKeywords, FillOptions
from onar.settings.networks import NetworkOption
from onar.system.devices import prefers_torch
from onar.weights.bundled import PYRAMID, bundled_weights, texture_weights, weights_file

if TYPE_CHECKING:
    from torch import nn

PYRAMID_SIZE = 512


class Inpainter:
    """Completes photos with a generator.

    Args:
        generator: a network (photo * known, known) -> completed, both B×3×H×W in [0, 1], any size; or a backend.
        training_size: side in pixels of the crops the generator was trained on.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps", for a network; a backend has its own.
        description: of the generator, for messages.
        threads: of the CPU, for a network and for copied texture; 0 for their defaults.

    Raises:
        UsageError: `training_size` is less than 1, or the device is not there.

    Attributes:
        weights: the file they were loaded from, if any.

    >>> photo, mask = np.full((64, 96, 3), 200, np.uint8), np.zeros((64, 96), np.uint8)
    >>> mask[20:40, 30:60] = 255  # a hole
    >>> Inpainter.load("pyramid")(photo, mask)[30, 45]
    array([200, 200, 200], dtype=uint8)
    """

    def __init__(
        self,
        generator: nn.Module | Backend,
        training_size: int = 512,
        device: str = "auto",
        description: str = "a generator",
        threads: int = 0,
    ) -> None:
        require(training_size >= 1, "training_size", "must be at least 1", training_size)
        self.backend = generator if isinstance(generator, Backend) else TorchBackend(generator, device, threads)
        self.training_size = training_size
        self.description = description
        self.threads = threads
        self.weights: Path | None = None

    @classmethod
    def load(
        cls,
        weights: str | Path | None = None,
        device: str = "auto",
        threads: int = 0,
        blend: Path | None = None,
        network: NetworkOption = "auto",
        *,
        trust_weights: bool = False,
    ) -> Inpainter:
        """Load weights: the bundled ones, others, or none for the pyramid fill.

        Args:
            weights: an `.onnx` file from `onar export`, or a `.pth` or `.safetensors` file, which need PyTorch;
                "bundled" or nothing for the bundled weights; "pyramid" for the pyramid fill. Or an `.onnx` file of
                LaMa or MI-GAN, or a TorchScript file of LaMa, which needs PyTorch.
            device: "auto", "cpu", "cuda", "cuda:1" or "mps".
            threads: of the CPU, for a network and for copied texture; 0 for one on each core that may be used.
            blend: a `TextureBlend` for copied texture: an `.onnx` file from `onar export`, or a `.safetensors` file
                from `onar blend`, which needs PyTorch; by default the bundled one.
            network: kind of a network that Onar did not write, of `public_networks.NETWORKS`; "auto" to find it.
            trust_weights: run TorchScript files, which are programs.

        Raises:
            OutOfMemoryError: memory ran out.
            OnarError: a file cannot be read, or holds no generator or no blend.
            UsageError: the device is not there, or a TorchScript file is not trusted.
        """
        with map_memory_errors("not enough memory to load the weights; a smaller network, or pyramid, needs less"):
            inpainter = cls._load_generator(weights, device, threads, network, trust_weights)
            if blend is not None:
                inpainter.blend = Blend(blend, threads, inpainter._blend_device)
                inpainter.description += f" and the blend {blend}"
        return inpainter

    @classmethod
    def _load_generator(
        cls, weights: str | Path | None, device: str, threads: int, network: str, trust: bool
    ) -> Inpainter:
        if str(weights) == PYRAMID:
            return cls(PyramidBackend(), PYRAMID_SIZE, description="the pyramid fill")
        path = weights_file(weights)
        is_bundled = path == bundled_weights()
        if ending_of(path.name) == ".onnx" and not (is_bundled and prefers_torch(device)):
            backend, size = load_onnx(path, device, threads, network)
        elif is_torchscript(path):
            backend = load_torchscript(path, device, threads, network, trust=trust)
            size = backend.training_size
        else:
            with naming_export(path):
                from onar.checkpoint import load_weights  # brings torch, which takes seconds

                loaded = load_weights(path)
            backend, size = TorchBackend(loaded.generator, device, threads, is_own=True), loaded.training_size
        description = "the bundled weights" if is_bundled else f"the weights {path}"
        if isinstance(backend, PublicBackend):
            description += f" ({backend.network.title})"
        inpainter = cls(backend, size, description=description, threads=threads)
        inpainter.weights = path
        return inpainter

    @overload
    def __call__(self, photo: Image.Image, mask: Any, **options: Unpack[FillKeywords]) -> Image.Image: ...
    @overload
    def __call__(self, photo: Pixels, mask: Any, **options: Unpack[FillKeywords]) -> Pixels: ...
    @overload
    def __call__(self, photo: Sequence[Any], mask: Any, **options: Unpack[FillKeywords]) -> list[Any]: ...

    def __call__(self, photo: Any, mask: Any, **options: Unpack[FillKeywords]) -> Any:
        """Fill the holes of a photo, or of several.

        Args:
            photo: a PIL picture (RGB, L, or with alpha, which is kept; its transparent pixels are neither seen nor
                filled; it is set upright by its EXIF orientation, and the mask is that of the upright photo), a uint8
                or uint16 array H×W×3 or H×W, or a list of either; an array N×H×W×3 is a list of N photos. A network
                for grey photos fills H×W×1, too, and photos in colour channel by channel; one for other channels
                fills arrays H×W×C alone, which may be floats in [0, 1], too.
            mask: PIL picture, or array H×W or H×W×1, the size of the photo: uint8 (128 and above is the hole), bool
                (True), or float from 0 to 1 (0.5 and above). "alpha" for a PIL picture whose holes were erased: they
                are filled, and all becomes opaque. A list of as many for several photos, or an array N×H×W (×1), or
                the one "alpha".
            **options: fields of `FillOptions`: `strategy`, `texture`, `feather`, `seed`. With texture "auto", nothing
                is copied over the pyramid fill.

        Returns:
            The type and size that came in; N×H×W×3 for such an array. Known pixels are bit-identical, and the fill is
            grey where the photo is. A PIL picture is upright, and carries what the photo's carries: its `save` writes
            EXIF, colour profile, resolution, XMP and the texts of a PNG, as far as the format holds them.

        Raises:
            UsageError: sizes, types or options do not fit.
            OutOfMemoryError: memory ran out.
            OnarError: "patches" without PatchMatch.
        """
        FillOptions(**options)
        if isinstance(mask, str) and mask != ALPHA:
            raise UsageError(f"a mask is a picture, an array, or {ALPHA!r}, not {mask!r}")
        if isinstance(photo, (list, tuple)) or (isinstance(photo, np.ndarray) and photo.ndim == 4):
            masks = _masks_of_several(mask, len(photo))
            results = [self(one, m, **options) for one, m in zip(photo, masks, strict=True)]
            if isinstance(photo, np.ndarray):
                return np.asarray(results, photo.dtype).reshape(photo.shape)  # of no photos, too
            return results
        if isinstance(photo, Image.Image):
            return self._complete_picture(photo, mask, options)
        return self._complete_array(photo, mask, options)

    def _complete_picture(self, photo: Image.Image, mask: Any, options: FillKeywords) -> Image.Image:
        if photo.mode not in ("RGB", "L", "RGBA", "LA"):
            raise UsageError(f"a PIL photo is RGB or L, with or without alpha, not {photo.mode}: convert it first")
        upright = set_upright(photo)
        colours, alpha = split_alpha(upright)
        completed = colours.copy()
        if isinstance(mask, str):
            if alpha is None:
                raise UsageError(f"a mask of {ALPHA!r} is for a photo with transparency, not for one of {photo.mode}")
            self.fill(completed, holes_from_mask(mask_of_alpha(alpha)), **options)
            alpha = np.full_like(alpha, 255)
        else:
            hole = as_holes(mask)
            check_size(hole, colours.shape[:2], photo.size)
            fill_visible(completed, alpha, hole, partial(self.fill, **options))
        return carry(join_alpha(completed, alpha, photo), photo)

    def _complete_array(self, photo: Pixels, mask: Any, options: FillKeywords) -> Pixels:
        if isinstance(photo, np.ndarray) and photo.shape[2:] == (self.backend.channels,) != (3,):
            return self._complete_channels(photo, mask, options)
        _check_photo(photo)
        hole = as_holes(mask)
        check_size(hole, photo.shape[:2])
        return self.fill(photo.copy(), hole, **options)

    def _complete_channels(self, photo: NDArray[Any], mask: Any, options: FillKeywords) -> NDArray[Any]:
        """Fill an array of the network's own channels, which are not three."""
        if photo.shape[2] == 1 and photo.dtype.kind == "u":
            return self._complete_array(photo[..., 0], mask, options)[..., None]
        hole = as_holes(mask)
        check_size(hole, photo.shape[:2])
        if photo.dtype in (np.uint8, np.uint16):
            return self.complete(photo, hole, **options)
        if photo.dtype.kind != "f":
            raise UsageError(f"an array of {photo.shape[2]} channels is of uint8, uint16 or floats, not {photo.dtype}")
        levels = to_pixels(in_unit_range(np.where(hole[..., None], 0, photo)), np.dtype(np.uint16))
        filled = self.complete(np.repeat(levels, 3, axis=2) if photo.shape[2] == 1 else levels, hole, **options)
        return np.where(hole[..., None], to_frame(filled[..., : photo.shape[2]]).astype(photo.dtype), photo)

    def for_photos(self) -> Inpainter:
        """Itself; raises `UsageError` when it fills arrays of other channels than photos have."""
        if self.backend.channels not in (1, 3):
            raise UsageError(
                f"{self.description} are for arrays of {self.backend.channels} channels, which no photo has: fill them "
                "in Python, with Inpainter.load"
            )
        return self

    def _check_channels(self, photo: Pixels, texture: str) -> None:
        """Raise `UsageError` when the network is for other channels, or texture has no colours to be copied in."""
        channels = self.backend.channels
        if channels not in (1, photo.shape[2]):
            raise UsageError(f"{self.description} are for {channels} channels, and the photo has {photo.shape[2]}")
        if texture == "patches" and photo.shape[2] != 3:
            raise UsageError("texture is copied in colours: fill other channels with texture auto or network")

    def complete(
        self,
        photo: Pixels,
        hole: Any,
        **options: Unpack[FillKeywords],
    ) -> Pixels:
        """Fill the holes of uint8 or uint16 H×W×3 by a mask H×W; options are those of the call.

        Where all known pixels are grey, the fill is, too. A network for other channels than grey and colours fills
        H×W×C of its own, and nothing is copied there.
        """
        _check_photo(photo, channels={(3,), (self.backend.channels,)} - {(1,)})
        hole = as_holes(hole)
        check_size(hole, photo.shape[:2])
        return self.fill(photo.copy(), hole, **options)

    def fill(
        self, photo: Pixels, hole: Holes, *, on_progress: OnProgress = ignore, **options: Unpack[FillKeywords]
    ) -> Pixels:
        """Fill the holes of an array in place, and return it.

        Args:
            photo: uint8 or uint16, H×W, H×W×3, or H×W×C of the network's own channels.
            hole: bool H×W.
            on_progress: is called with the share that is done, from 0 to 1; what it raises ends the work, and leaves
                the photo partly filled.
            **options: those of the call.

        Raises:
            UsageError: the network is for other channels, or an option is wrong.
            OutOfMemoryError: memory ran out.
        """
        settings = FillOptions(**options)
        size = f"{photo.shape[1]} x {photo.shape[0]} pixels"
        with map_memory_errors(f'not enough memory to fill the holes of {size}; strategy="crop" needs the least'):
            rgb = photo if photo.ndim == 3 else np.repeat(photo[..., None], 3, axis=2)
            self._check_channels(rgb, settings.texture)
            self._fill_colours(rgb, hole, settings, on_progress)
            if photo.ndim == 2 and hole.any():
                # A grey photo stays grey: its known pixels have three equal channels, the fill is brought to one.
                photo[hole] = to_grey(rgb[hole][:, None])[:, 0]
        return photo

    def _fill_colours(self, photo: Pixels, hole: Holes, options: FillOptions, on_progress: OnProgress) -> None:
        """See `fill`, for H×W×C."""
        canvas = Canvas(self.backend, self.training_size, photo, hole.copy(), options.feather)
        steps, texturing = canvas.plan(options.strategy), None
        if photo.shape[2] == 3 and hole.any() and self.copies(options.texture):
            texturing = plan_texturing(hole)
        progress = WorkProgress(on_progress, steps.cost + (texturing.cost if texturing else 0))
        canvas.fill(steps, progress)
        if texturing:
            Texture(self.blend, options.seed, self.threads).apply(photo, texturing, progress)
        if photo.shape[2] == 3 and hole.any() and is_grey(photo, ~hole):
            photo[hole] = to_grey(photo[hole][:, None])
        progress.finish()

    def copies(self, texture: str) -> bool:
        """Whether deep holes get copied texture with that `texture`.

        With "auto", the pyramid stays as it is named, and a network that draws texture is left alone: copied texture
        made MI-GAN's published fills of Places2 worse (ST-LPIPS 0.158 to 0.183 at 256 px, 0.225 to 0.252 at 512).
        """
        if texture == "auto":
            return not isinstance(self.backend, PyramidBackend) and not self.backend.draws and no_patches() is None
        return texture == "patches"

    @cached_property
    def blend(self) -> Blend:
        """Network that blends the generator's fill with patches."""
        return Blend(texture_weights(), self.threads, self._blend_device)

    @property
    def _blend_device(self) -> str:
        """That of a generator in PyTorch, which may be a GPU; otherwise the CPU."""
        return self.backend.device if isinstance(self.backend, TorchBackend) else "cpu"

    @property
    def device(self) -> str:
        """Device of the generator."""
        return self.backend.device


def _masks_of_several(mask: Any, count: int) -> list[Any]:
    """The masks of several photos; raises `UsageError` when their number differs from `count`."""
    if isinstance(mask, str):
        return [mask] * count
    if not isinstance(mask, (list, tuple)) and not (isinstance(mask, np.ndarray) and mask.ndim in (3, 4)):
        raise UsageError("several photos need a list of as many masks")
    if len(mask) != count:
        raise UsageError(f"{count} photos need as many masks, not {len(mask)}")
    return list(mask)


def _check_photo(photo: Any, channels: Collection[tuple[int, ...]] = ((), (3,))) -> None:
    """Raise `UsageError` unless it is an array of a photo: uint8 or uint16, H×W and the channels."""
    is_array = isinstance(photo, np.ndarray) and photo.dtype in (np.uint8, np.uint16)
    if not is_array or photo.ndim < 2 or photo.shape[2:] not in channels:
        kinds = "a PIL picture or a uint8 or uint16 array of height x width (x 3)"
        raise UsageError(f"a photo is {kinds if () in channels else 'a uint8 or uint16 array of height x width x 3'}")
