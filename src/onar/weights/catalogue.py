"""Public inpainting networks that can be downloaded, each with its licence and the SHA-256 of its file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublicWeights:
    """A weights file of another program.

    Attributes:
        network: its kind, of `public_networks.NETWORKS`.
        purpose: what it is good for.
        size: bytes.
        licence: that its authors name.
        source: page of its authors.
        address: of the file.
        sha256: of the file.
    """

    network: str
    purpose: str
    size: int
    licence: str
    source: str
    address: str
    sha256: str

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.address.rpartition("/")[2]


CATALOGUE = {
    "migan": PublicWeights(
        network="migan",
        purpose="objects and large holes; small and fast; trained on Places2",
        size=28_079_181,
        licence="MIT",
        source="https://github.com/Picsart-AI-Research/MI-GAN",
        address="https://huggingface.co/andraniksargsyan/migan/resolve/1538c135034b8cfe7a8472f34d09c8a5a45b17a7/"
        "migan_pipeline_v2.onnx",
        sha256="6f1f3530a1a2324b19752018ce756088b07973cda8d7d890034ace5c8a48c40b",
    ),
    "lama": PublicWeights(
        network="lama",
        purpose="objects, large holes and repeating structures; slow; trained on Places2",
        size=208_044_816,
        licence="Apache-2.0",
        source="https://huggingface.co/Carve/LaMa-ONNX",
        address="https://huggingface.co/Carve/LaMa-ONNX/resolve/a3ee2fca54baebec351b8fa7786154ffa7555aa6/"
        "lama_fp32.onnx",
        sha256="1faef5301d78db7dda502fe59966957ec4b79dd64e16f03ed96913c7a4eb68d6",
    ),
    "lama_small": PublicWeights(
        network="lama",
        purpose="as lama, with weights of 8 bits",
        size=92_591_623,
        licence="Apache-2.0",
        source="https://github.com/opencv/opencv_zoo/tree/main/models/inpainting_lama",
        address="https://github.com/opencv/opencv_zoo/raw/966be4cb6eefc2a4f586ed0581bf4bbaa2533070/models/"
        "inpainting_lama/inpainting_lama_2025jan.onnx",
        sha256="7df918ac3921d3daf0aae1d219776cf0dc4e4935f035af81841b40adcf74fdf2",
    ),
}
"""By the name for `--weights`. Licences, sizes and hashes are those that the sources publish; the hashes of MI-GAN and
`lama` are in many public repositories that use them, that of `lama_small` is in OpenCV's repository."""
