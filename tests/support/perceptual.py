"""The losses of features as the generator's table computes them."""

from torch import Tensor, nn

from onar.training.losses import GENERATOR_LOSSES, Comparison, compute_losses


def perceptual_terms(
    features: nn.Module, completed: Tensor, whole: Tensor, photo: Tensor, style: float = 1.0
) -> dict[str, Tensor]:
    """The terms "content" and, unless it weighs nothing, "style"."""
    weights = dict.fromkeys((term.name for term in GENERATOR_LOSSES), 0.0) | {"content": 1.0, "style": style}
    compared = Comparison(completed, whole, photo, photo[:, :1], features)
    terms = compute_losses(GENERATOR_LOSSES, weights, compared)
    return {name: term for name, term in terms.items() if name != "pixel"}
