from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import bootstrap

from onar.evaluation import differences
from onar.evaluation.differences import Difference, find_differences
from onar.evaluation.means import ImageScores


def row(photo: object, better: float, **others: float | None) -> ImageScores:
    """A photo on which `b` has a PSNR higher by `better` than `a`, and further methods the given scores."""
    scores = {"a": 20.0, "b": 20.0 + better} | others
    by_method = {method: {"psnr": value} for method, value in scores.items()}
    return ImageScores(str(photo), "mask", 8, 8, 0.05, (0.01, 0.1), False, by_method)


def only(rows: list[ImageScores]) -> Difference:
    (found,) = find_differences(rows, seed=0)
    return found


def test_an_interval_is_that_of_scipy_where_each_photo_has_one_mask() -> None:
    values = np.random.default_rng(1).gamma(1.5, size=40)
    found = only([row(number, value) for number, value in enumerate(values)]).overall.scores["psnr"]
    expected = bootstrap((values,), np.mean, method="percentile", rng=2).confidence_interval
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(expected, abs=0.03)


def test_masks_of_one_photo_count_as_one_observation() -> None:
    rows = [row(number, value) for number, value in enumerate(np.random.default_rng(1).normal(size=12))]
    one, five = only(rows).overall, only(rows * 5).overall
    assert (one.photos, one.count, five.photos, five.count) == (12, 12, 12, 60)
    for name in ("mean", "low", "high"):
        assert getattr(five.scores["psnr"], name) == pytest.approx(getattr(one.scores["psnr"], name))


def test_intervals_hold_the_true_difference_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "RESAMPLES", 1000)
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        photos = rng.normal(size=30)
        rows = [
            row(photo, photos[photo] + 0.2 * rng.normal()) for photo in range(30) for _ in range(rng.integers(1, 5))
        ]
        interval = only(rows).overall.scores["psnr"]
        held += not interval.is_clear
    assert 0.89 < held / 200 <= 0.99  # with masks drawn singly, 0.7


def test_every_two_methods_are_compared_and_differences_add_up() -> None:
    rng = np.random.default_rng(0)
    rows = [row(number, rng.normal(), c=20 + rng.normal()) for number in range(9)]
    found = {(one.reference, one.method): one.overall.scores["psnr"] for one in find_differences(rows, seed=0)}
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]
    means = {pair: interval.mean for pair, interval in found.items() if interval}
    assert means["a", "c"] == pytest.approx(means["a", "b"] + means["b", "c"])


def test_the_same_seed_gives_the_same_intervals() -> None:
    rows = [row(number, value) for number, value in enumerate(np.random.default_rng(1).normal(size=10))]
    assert find_differences(rows, 3) == find_differences(rows, 3)
    assert find_differences(rows, 3) != find_differences(rows, 4)


def test_few_photos_have_no_interval_and_a_missing_score_no_difference() -> None:
    few, enough = (only([row(n % photos, n % 2 + 1) for n in range(12)]).overall.scores["psnr"] for photos in (5, 6))
    assert (few.mean, few.low, few.high) == (1.5, None, None)
    assert not few.is_clear
    assert enough.is_clear
    missing = find_differences([row(number, 1, c=None) for number in range(3)], seed=0)
    assert [one.overall.scores["psnr"] for one in missing] == [None] * 3


def test_ranges_have_their_own_differences() -> None:
    small = [row(number, 1) for number in range(4)]
    large = [replace(row(number, 3), range=(0.4, 0.5)) for number in range(2, 5)]
    found = only([*small, *large, *[replace(row(number, 5), range=None) for number in range(2)]])
    summary = [(one.title, one.photos, one.scores["psnr"].mean) for one in found.ranges]  # type: ignore[union-attr]
    assert summary == [("1-10%", 4, 1), ("40-50%", 3, 3), ("other", 2, 5)]
    assert found.overall.photos == 5


def test_many_photos_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(number, value) for number, value in enumerate(np.random.default_rng(1).normal(size=50))]
    whole = only(rows).overall.scores["psnr"]
    monkeypatch.setattr(differences, "_CHUNK", 50 * 777)
    assert only(rows).overall.scores["psnr"] == whole
