"""The cost of completing in passes and pixels of the network, and the invariances of its result."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from onar import Inpainter, PConvUNet
from onar.errors import UsageError
from onar.fills.pyramid import fill_frame
from onar.inference import rules
from onar.inference.backends import Backend, Frame, PyramidBackend, TorchBackend
from onar.inference.window_plan import round_up
from onar.inference.windows import Box, deeper_than, hole_depth
from tests.conftest import PHOTOS

STEP = 64
TRAINING_SIZE = 256
LIMIT = rules.max_side(TRAINING_SIZE)


class Counting(Backend):
    """Another backend, and a record of what it was asked for: (photos, height, width) of each pass."""

    device = "cpu"

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.passes: list[tuple[int, ...]] = []

    @property
    def step(self) -> int:
        return STEP

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        assert ((photo == 0) | (known == 1)[..., None]).all(), "what lies under a hole must not reach the network"
        self.passes.append(known.shape)
        return self.backend(photo, known)

    @property
    def pixels(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.passes)


@pytest.fixture
def counting() -> Counting:
    return Counting(PyramidBackend())


@pytest.fixture(scope="module")
def network() -> Backend:
    """A narrow network of the bundled one's depth, untrained but for what makes it differ from the pyramid fill."""
    torch.manual_seed(0)
    generator = PConvUNet(2, 6, "pyramid")
    torch.nn.init.normal_(generator.head[-1].weight, std=0.1)
    return TorchBackend(generator, "cpu")


def photo_of(height: int, width: int) -> np.ndarray:
    return np.asarray(Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize((width, height)))


def discs(height: int, width: int, count: int, radius: int = 5) -> np.ndarray:
    """The given number of discs, evenly spread."""
    columns = max(1, round((count * width / height) ** 0.5))
    rows = -(-count // columns)
    canvas = np.zeros((height, width), np.uint8)
    for number in range(count):
        row, column = divmod(number, columns)
        centre = int((column + 0.5) * width / columns), int((row + 0.5) * height / rows)
        cv2.circle(canvas, centre, radius, 1, -1)
    return canvas > 0


def random_holes(height: int, width: int, rng: np.random.Generator, count: int, spread: float = 1.0) -> np.ndarray:
    """Discs and strokes of all sizes, over the whole photo or a part of it."""
    canvas = np.zeros((height, width), np.uint8)
    centre = rng.uniform(0.2, 0.8, 2)
    for _ in range(count):
        start = ((centre + spread * (rng.random(2) - centre)) * (width, height)).astype(int)
        radius = int(rng.integers(1, 10) * (6 if rng.random() < 0.1 else 1))
        if rng.random() < 0.3:
            cv2.line(canvas, start.tolist(), (start + rng.integers(-150, 150, 2)).tolist(), 1, radius)
        else:
            cv2.circle(canvas, start.tolist(), radius, 1, -1)
    return canvas > 0


def complete(backend: Backend, photo: np.ndarray, hole: np.ndarray, strategy: str = "auto") -> np.ndarray:
    result = Inpainter(backend, TRAINING_SIZE).complete(photo, hole, strategy=strategy, texture="network")
    assert (result[~hole] == photo[~hole]).all(), "known pixels must stay"
    return result


def difference(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> int:
    """The largest, in levels of 8 bits."""
    return int(np.abs(one[where].astype(int) - other[where]).max(initial=0))


# ---------------------------------------------------------------- what it costs
@pytest.mark.parametrize(("count", "strategy"), [(1, "whole"), (9, "whole"), (144, "auto"), (1000, "auto")])
def test_a_small_photo_is_taken_whole_where_windows_would_be_more_than_half_of_it(
    counting: Counting, count: int, strategy: str
) -> None:
    complete(counting, photo_of(700, 900), discs(700, 900, count), strategy)
    assert counting.passes == [(1, 700, 900)]


@pytest.mark.parametrize("count", [1, 9])
def test_a_small_photo_with_few_holes_costs_their_windows(counting: Counting, count: int) -> None:
    complete(counting, photo_of(700, 900), discs(700, 900, count))
    assert counting.pixels <= count * STEP * STEP


def test_holes_too_deep_for_the_network_cost_a_third_more_however_many_there_are(counting: Counting) -> None:
    hole = discs(900, 1000, 4, radius=90) | discs(900, 1000, 144)
    complete(counting, photo_of(900, 1000), hole)
    assert counting.passes == [(1, 450, 500), (1, 900, 1000)]


@pytest.mark.parametrize("count", [1, 9, 144, 1000])
@pytest.mark.parametrize(("height", "width", "strategy"), [(900, 900, "crop"), (1400, 2000, "auto")])
def test_small_holes_cost_small_windows(counting: Counting, count: int, height: int, width: int, strategy: str) -> None:
    complete(counting, photo_of(height, width), discs(height, width, count), strategy)
    assert counting.pixels <= min(count * STEP * STEP, 1.5 * height * width)
    assert len(counting.passes) <= 4 + counting.pixels / LIMIT**2


def pixels_in_windows(hole: np.ndarray) -> int:
    """Pixels in the windows of all holes, each hole in its own, counted once where windows overlap."""
    photo = Box(0, 0, *hole.shape)
    covered = np.zeros_like(hole)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8))
    depths = hole_depth(hole)
    for label in range(1, count):
        left, top, width, height, _ = stats[label].tolist()
        box = Box(top, left, top + height, left + width)
        margin, min_side = rules.context(depths[box.slices][labels[box.slices] == label].max(), TRAINING_SIZE)
        covered[round_up(box.grown(margin, photo, min_side), photo, STEP).slices] = True
    return int(covered.sum())


@pytest.mark.parametrize("seed", range(24))
def test_windows_cost_at_most_half_again_the_pixels_they_cover(counting: Counting, seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(100, 1600, 2).tolist()
    hole = random_holes(height, width, rng, count=int(10 ** rng.uniform(0, 2.5)), spread=rng.choice([1, 0.15]))
    hole &= ~deeper_than(hole, rules.max_depth(TRAINING_SIZE))
    complete(counting, photo_of(height, width), hole, "crop")
    assert counting.pixels <= 1.5 * pixels_in_windows(hole & deeper_than(hole, rules.THIN))
    assert all(np.prod(shape) <= LIMIT**2 for shape in counting.passes), "a batch takes no more memory than a window"


def test_a_long_scratch_costs_what_lies_along_it(counting: Counting) -> None:
    canvas = np.zeros((2000, 2000), np.uint8)
    cv2.line(canvas, (100, 100), (1900, 1900), 1, 20)
    complete(counting, photo_of(2000, 2000), canvas > 0)
    assert counting.pixels < 0.3 * canvas.size


def test_a_large_hole_costs_what_its_seam_needs(counting: Counting) -> None:
    hole = np.zeros((1500, 2200), bool)
    hole[300:1100, 400:1900] = True
    complete(counting, photo_of(1500, 2200), hole)
    assert counting.pixels < 1.5 * hole.size
    counting.passes.clear()
    complete(counting, photo_of(1500, 2200), np.ones_like(hole))
    assert counting.pixels <= TRAINING_SIZE**2, "where nothing is known, the coarsest scale decides"


def test_thin_holes_and_no_holes_cost_nothing(counting: Counting) -> None:
    hole = discs(1200, 1200, 1000, radius=2)
    hole[600, :] = hole[:, 300:303] = True
    for strategy in ("auto", "crop"):
        complete(counting, photo_of(1200, 1200), hole, strategy)
        complete(counting, photo_of(1200, 1200), np.zeros_like(hole), strategy)
    assert counting.passes == []


# ---------------------------------------------------------------- what the result does not depend on
def test_thin_holes_are_filled_as_the_pyramid_fills_them_in_the_whole_photo(counting: Counting) -> None:
    for seed, (height, width) in enumerate([(700, 901), (1200, 333), (37, 513), (3000, 20)]):
        photo, rng = photo_of(height, width), np.random.default_rng(seed)
        hole = random_holes(height, width, rng, count=height * width // 8000)
        known = (~hole).astype(np.float32)
        expected = fill_frame(photo.astype(np.float32) / 255 * known[..., None], known) * 255
        thin = hole & ~deeper_than(hole, rules.THIN)
        assert thin.any()
        assert difference(complete(counting, photo, hole), np.rint(expected), thin) <= 1


@pytest.mark.parametrize("far", ["small", "deep", "thin"])
def test_holes_far_away_do_not_matter_nor_does_the_order(network: Backend, far: str) -> None:
    photo = photo_of(1100, 1300)
    near = random_holes(1100, 1300, np.random.default_rng(0), count=12, spread=0.15)
    near[500:, 700:] = False
    other = np.zeros_like(near)
    size = {"small": 30, "deep": 200, "thin": 3}[far]
    other[850 : 850 + size, 1000 : 1000 + size] = True
    assert near[:400, :600].any()
    together = complete(network, photo, near | other)
    alone = complete(network, photo, near)
    assert difference(together, alone, near) <= 1
    assert difference(together, complete(network, alone, other), near | other) <= 1
    assert difference(together, complete(network, complete(network, photo, other), near), near | other) <= 1


def test_a_result_is_the_same_each_time(network: Backend) -> None:
    photo, hole = photo_of(1100, 1300), random_holes(1100, 1300, np.random.default_rng(1), count=30)
    assert (complete(network, photo, hole) == complete(network, photo, hole)).all()


@pytest.mark.parametrize("strategy", ["auto", "crop"])
def test_pixels_under_holes_do_not_matter(network: Backend, strategy: str) -> None:
    photo = photo_of(500, 600)
    hole = random_holes(500, 600, np.random.default_rng(2), count=20)
    hole[150:350, 200:400] = True
    garbage = np.where(hole[..., None], np.random.default_rng(0).integers(0, 256, photo.shape, np.uint8), photo)
    assert (complete(network, photo, hole, strategy) == complete(network, garbage, hole, strategy)).all()


# ---------------------------------------------------------------- what cannot be
@pytest.mark.parametrize("size", [0, -4])
def test_a_box_is_not_cut_into_pieces_of_no_pixels(size: int) -> None:
    with pytest.raises(ValueError, match=f"pieces of {size} pixels"):
        list(Box(0, 0, 100, 100).pieces(size))


@pytest.mark.parametrize("training_size", [8, 16, 32, 36, 37, 64])
def test_networks_of_small_crops_fill_a_stroke_across_a_large_photo(training_size: int) -> None:
    canvas = np.zeros((700, 1300), np.uint8)
    cv2.line(canvas, (20, 20), (1280, 680), 1, 13)
    photo = np.full((*canvas.shape, 3), 200, np.uint8)
    photo[canvas > 0] = 0
    filled = Inpainter(PyramidBackend(), training_size).complete(photo, canvas > 0, texture="network")
    assert (filled == 200).all()


def test_a_training_size_of_no_pixels_is_refused() -> None:
    with pytest.raises(UsageError, match="training_size"):
        Inpainter(PyramidBackend(), 0)
