"""The verb `convert`: a weights file of another program, loaded safely, as a safetensors file of Onar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onar.checkpoint import save_safetensors
from onar.conversion.layouts import COLOURS, LAYOUTS, convert_state, recognise
from onar.errors import FieldError, OnarError
from onar.system.files import refuse_to_replace, replacing
from onar.weights.metadata import FORMAT, usual_training_size
from onar.weights.tensors import load_state

WRAPPERS = ("state_dict", "model", "ckpt")  # keys of a state dict in checkpoints of other programs; they may be nested


@dataclass(frozen=True)
class Conversion:
    """Result of a conversion: the file, and lines about the network and what was skipped; `str` is its summary."""

    output: Path
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([*self.lines, f"{self.output}: {self.output.stat().st_size / 1e6:.2f} MB"])


def convert(weights: Path, output: Path, colours: str | None = None) -> Conversion:
    """Convert weights of another program's partial-convolution U-Net to a safetensors file of Onar.

    Args:
        weights: a file of PyTorch with a state dict in one of `LAYOUTS`, bare or under keys of `WRAPPERS`.
        output: the file, which ends in `.safetensors`.
        colours: key of `COLOURS`, the normalisation of the network's input; None takes that of the layout.

    Raises:
        UsageError: `output` has another ending or is the file that is read, or the layout does not imply `colours`.
        OnarError: the file cannot be read, or a tensor is unknown, missing or of a wrong shape. Nothing is written.
    """
    if output.suffix.lower() != ".safetensors":
        raise FieldError("output", f"must end in .safetensors, not {output.name}")
    if colours is not None and colours not in COLOURS:
        raise FieldError("colours", f"must be one of {', '.join(COLOURS)}, not {colours!r}")
    refuse_to_replace(weights, output)
    state, beside = _unwrap(load_state(weights), weights)
    recognised = recognise(state)
    if recognised is None:
        raise OnarError(_say_unknown(state, weights))
    layout, prefix = recognised
    chosen = colours or layout.colours
    if chosen is None:
        *most, last = COLOURS
        rule = f"is required: {weights} has {layout.title}, whose value range cannot be inferred: "
        raise FieldError("colours", f"{rule}{', '.join(most)} or {last}")
    try:
        generator, skipped = convert_state(state, layout, prefix, chosen)
    except OnarError as error:
        raise OnarError(f"nothing is written: in {weights}, read as {layout.title}, {error}") from error
    metadata = {"format": str(FORMAT), "training_size": str(usual_training_size(generator.depth))}
    with replacing(output) as temporary:
        save_safetensors(temporary, generator, metadata)
    size = f"{generator.depth} levels, {generator.base_channels} channels in the first"
    if beside:
        skipped.append(f"skipped, beside the network: {', '.join(beside)}")
    return Conversion(output, (f"{layout.title}: {size}, colours {chosen}", *skipped))


def _unwrap(content: dict[Any, Any], path: Path) -> tuple[dict[Any, Any], tuple[str, ...]]:
    """The state dict in a file, and the keys beside it; raises `OnarError` when there are several."""
    beside: list[str] = []
    for _ in WRAPPERS:  # limits the depth: a dictionary may contain itself
        inner = [key for key in WRAPPERS if isinstance(content.get(key), dict)]
        if len(inner) > 1:
            raise OnarError(f"{path} holds several networks, {' and '.join(inner)}: save one of them alone")
        if inner:
            beside += [str(key) for key in content if key != inner[0]]
            content = content[inner[0]]
    return content, tuple(beside)


def _say_unknown(state: dict[Any, Any], path: Path) -> str:
    if "encoder.0.conv.weight" in state or "gan" in state:
        return f"{path} is a file of Onar: use it as it is, or convert it with `onar export`"
    some = ", ".join(map(str, list(state)[:3])) or "nothing"
    titles = ", ".join(layout.title for layout in LAYOUTS)
    return f"{path} has none of the known layouts ({titles}): it has {some}"
