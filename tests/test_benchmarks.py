"""The benchmarks compare like with like."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from benchmarks.networks import PlainUNet, photo_with_holes
from benchmarks.page import fill_twice, on_host, on_server, write_photo
from benchmarks.timing import Times, interleave
from onar import PConvUNet
from onar.export.verb import export
from tests.support.server import needs_page


def test_the_plain_twin_has_the_generators_parameters_and_sizes() -> None:
    generator = PConvUNet(4, 4)
    twin = PlainUNet(generator)
    twin.load_state_dict(generator.state_dict())
    photo, known = photo_with_holes(32, 48, batch=2)
    assert twin(photo, known).shape == generator(photo, known).shape == photo.shape


def test_the_plain_twin_agrees_with_the_generator_where_everything_is_known_and_no_border_is_near() -> None:
    generator = PConvUNet(4, 2).eval()
    twin = PlainUNet(generator).eval()
    twin.load_state_dict(generator.state_dict())
    photo = torch.rand(1, 3, 96, 96)
    known = torch.ones(1, 1, 96, 96)
    middle = slice(40, 56)
    torch.testing.assert_close(generator(photo, known)[..., middle, middle], twin(photo, known)[..., middle, middle])


def test_functions_are_timed_in_turns_and_the_warm_up_does_not_count() -> None:
    calls: list[str] = []
    times = interleave({name: lambda name=name: calls.append(name) for name in "ab"}, repeats=2, warm_up=1)
    assert ("".join(calls), [len(one.seconds) for one in times.values()]) == ("ababab", [2, 2])


def test_a_ratio_compares_what_was_timed_in_the_same_turn() -> None:
    # The machine was ten times slower in the second turn, for both.
    assert Times([1.0, 10.0, 1.0]).ratio(Times([2.0, 20.0, 2.0])) == 0.5


@needs_page
@pytest.mark.parametrize("where", ["server", "browser"])
def test_a_photo_dropped_on_the_page_is_timed_until_both_of_its_holes_are_filled(where: str, tmp_path: Path) -> None:
    photo = write_photo(tmp_path, 800, 800)
    if where == "server":
        place = on_server("--weights", "pyramid")
    else:
        place = on_host(export("pyramid", tmp_path / "site", format="web").path)
    with place as opened, ThreadPoolExecutor(1) as thread:  # the main one may have Playwright's event loop
        measured = thread.submit(fill_twice, opened, photo).result()
    assert min(measured.open, measured.first, measured.next) > 0
    assert measured.tab > 10_000_000  # in bytes
    assert (measured.server > 10_000_000) == (where == "server")
