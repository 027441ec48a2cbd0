"""Settings of an evaluation, as frozen dataclasses; see `onar.settings.training` for their use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeAlias

from cyclopts import Parameter

from onar.errors import FieldError
from onar.settings.checks import Settings
from onar.settings.fill import BlendOption, FillOptions, FillSeedOption
from onar.settings.networks import NetworkOptions
from onar.settings.options import DeviceOption, SizeOption
from onar.settings.ranges import PositiveInt

Named: TypeAlias = Path | str | Sequence[Path | str] | Mapping[str, Path | str] | None
"""A file or folder, or several of them: with their names, or as "NAME=PATH", or named by their paths."""

NamedOption = Annotated[
    Path | str | Sequence[Path | str] | Mapping[str, Path | str] | None,
    Parameter(
        converter=lambda _type, tokens: _several_paths([token.value for token in tokens]),
        n_tokens=1,
        consume_multiple=(1, None),
        metavar="PATH...",
    ),
]


def _several_paths(values: list[str]) -> tuple[str, ...]:
    if "" in values:
        raise ValueError("takes a path, not an empty text")
    return tuple(values)


@dataclass(frozen=True, kw_only=True)
class PairConfig(Settings):
    """Photos that are scored, and their holes."""

    topic: ClassVar[str] = "Photos and holes"

    data: Path
    """Folder of photos that were not trained on, searched with all its subfolders."""
    masks: Path | None = None
    """Folder of mask files (white = hole), each used once; by default, holes are generated from `seed`."""
    img_size: SizeOption | None = None
    """Resize centre crops to this size: one number, or HEIGHTxWIDTH. By default, whole photos at their own size."""
    masks_per_range: PositiveInt | None = None
    """Number of masks in each of twelve groups (six ranges of hole share, away from the border and reaching it): of
    generated ones, by default 10; the maximum of mask files, by default all."""
    count: PositiveInt | None = None
    """Number of photos, spread evenly over the folder; by default all."""
    seed: FillSeedOption = 0
    """Random seed of the generated holes."""

    @property
    def height_width(self) -> tuple[int, int] | None:
        """`img_size` as (height, width)."""
        return (self.img_size, self.img_size) if isinstance(self.img_size, int) else self.img_size


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig(BlendOption, FillOptions, NetworkOptions, PairConfig):
    """Fills that are scored, and how.

    >>> EvaluationConfig(data="photos", weights=["a.pth", "b=c.pth"], count=4).weights
    ['a.pth', 'b=c.pth']
    """

    topic: ClassVar[str] = "Methods and scores"

    seed: FillSeedOption = 0
    """Random seed of the generated holes and of the copied texture."""
    weights: NamedOption = None
    """Weights files as for `complete`; by default the bundled weights. "pyramid" is the pyramid fill, without weights.
    Several are scored side by side, named by their paths or as NAME=FILE, and compared with the first."""
    fills: NamedOption = None
    """Folders of pictures that other programs have completed, scored beside the weights, as DIR or NAME=DIR; see
    `write_pairs`."""
    baselines: bool = False
    """Also score the baselines: PatchMatch, OpenCV's Telea and Navier-Stokes, the biharmonic fill (slow for large
    holes), the mean colour and the pyramid fill."""
    features: str | None = None
    """Also compute FID and KID, on the features of this network: inception_v3, as in the literature, efficientnet_lite0
    or vgg16."""
    features_weights: Path | None = None
    """Weights file of that network; by default those of its package or of torch's cache."""
    device: DeviceOption = "auto"
    """Device: auto, cpu, cuda, cuda:1, ... or mps; auto takes a GPU when there is one."""
    output: Path | None = None
    """Report as JSON, such as report.json; report.html with tables, plots and pictures is written beside it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.features_weights is not None and self.features is None:
            raise FieldError("features_weights", "needs `features`: the network of the weights")
        if self.output is not None and self.output.suffix.lower() != ".json":
            rule = f"names the JSON file, such as report.json, not {self.output}; the page is written beside it"
            raise FieldError("output", rule)
        if self.output is not None and self.output.is_dir():
            raise FieldError(
                "output", f"{self.output} is a folder: name a file in it, such as {self.output / 'report.json'}"
            )

    @property
    def pairs(self) -> PairConfig:
        """The settings of the pairs alone."""
        return PairConfig(**_values(self, PairConfig))

    @property
    def fill(self) -> FillOptions:
        """The options of filling alone."""
        return FillOptions(**_values(self, FillOptions))

    def refuse_scoring(self) -> None:
        """Raise `FieldError` for settings that have no effect without a report."""
        of_pairs = _values(self, PairConfig)
        for field in fields(self):
            if field.name not in of_pairs and getattr(self, field.name) != field.default:
                rule = f"alone scores nothing: leave out `{field.name}`, or name a report with `output`"
                raise FieldError("write_pairs", rule)


def _values(settings: Settings, kind: type[Settings]) -> dict[str, Any]:
    """The values of the fields that a base class has."""
    return {field.name: getattr(settings, field.name) for field in fields(kind)}  # type: ignore[arg-type]
