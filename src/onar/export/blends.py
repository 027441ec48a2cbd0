"""A `TextureBlend` as an ONNX file, kept only if it computes the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from onar.checkpoint import load_blend
from onar.export.comparison import HALF_TOLERANCE, Exported, check_difference
from onar.export.onnx_files import onnx_of_blend
from onar.inference.backends import Blend
from onar.models.texture_blend import TextureBlend
from onar.system.files import replacing
from onar.weights.bundled import example_photos
from onar.weights.files import read_safetensors
from onar.weights.metadata import FORMAT


def export_blend(weights: Path, output: Path, *, half: bool = False) -> Exported:
    """Write a `TextureBlend` as an ONNX file; raises `OnarError` when it cannot be read or would compute another."""
    metadata = read_safetensors(weights)[1]
    record: dict[str, str] = {key: metadata[key] for key in ("recipe", "trained_for") if key in metadata}
    content, difference = compared_blend(load_blend(weights), record, half=half)
    with replacing(output) as temporary:
        temporary.write_bytes(content)
    return Exported(output, difference, photos="on a photo")


def compared_blend(blend: TextureBlend, record: Mapping[str, str] | None = None, *, half: bool) -> tuple[bytes, float]:
    """A blend as an ONNX file, and its difference on a photo, two mirror images and a hole; raises `OnarError`.

    `record` says how it was trained.
    """
    content = onnx_of_blend(blend, {"format": str(FORMAT), **(record or {})}, half=half)
    photo = np.asarray(Image.open(example_photos()[0]).convert("RGB").resize((256, 192)), np.float32) / np.float32(255)
    fills, known = (photo, photo[:, ::-1], photo[::-1]), np.ones((192, 256), np.float32)
    known[64:128, 64:192] = 0
    with TemporaryDirectory() as folder, torch.no_grad():
        file = Path(folder) / "blend.onnx"
        file.write_bytes(content)
        exported = Blend(file)(*fills, known)
        tensors = [torch.from_numpy(fill.copy()).permute(2, 0, 1)[None] for fill in fills]
        original = blend(*tensors, torch.from_numpy(known)[None, None])[0].permute(1, 2, 0).numpy()
    return content, check_difference(float(np.abs(exported - original).max()), HALF_TOLERANCE)
