"""Scores on held-out photos, and what stands beside them."""

from dataclasses import replace

import pytest

from onar.data.mask_sources import GeneratedMasks
from onar.data.photo_sets import open_photos
from onar.metrics import held_out
from onar.metrics.baselines import BASELINES
from onar.metrics.held_out import HeldOut, load_held_out, score_baselines, score_completer
from onar.models.pyramid_fill import pyramid_fill
from tests.conftest import PHOTOS


@pytest.fixture(scope="module")
def some() -> HeldOut:
    """Five real photos with holes, 48 pixels a side."""
    photos = [open_photos(PHOTOS)[index] for index in range(5)]
    return load_held_out(photos, 48, 48, GeneratedMasks(hole_ratio=(0.1, 0.3)), 0)


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_the_processes_share_all_batches(processes: int, some: HeldOut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "process_count", lambda: processes)
    parts = []
    for index in range(processes):
        monkeypatch.setattr(held_out, "process_index", lambda index=index: index)
        parts += [photo for photo, _ in some.batches(2)]
    found = sorted(photo.mean().item() for batch in parts for photo in batch)
    assert found == pytest.approx(sorted((photo.float() / 255).mean().item() for photo in some.photo))
    assert [len(batch) for batch in parts].count(2) == 2


def test_a_batch_is_made_when_it_is_asked_for(some: HeldOut) -> None:
    later = HeldOut(some.photo.clone(), some.known)
    batches = later.batches(2)
    next(batches)
    later.photo[2:] = 255
    assert next(batches)[0].min() == 1


def test_scores_do_not_depend_on_the_size_of_batches(some: HeldOut) -> None:
    one, all_at_once = (score_completer(pyramid_fill, some, size) for size in (1, 5))
    assert one == pytest.approx(all_at_once, rel=1e-5)


def test_a_missing_patchmatch_is_reported_once(
    some: HeldOut, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "PatchMatch" in score_baselines(some, 5)
    assert capsys.readouterr().err == ""
    missing = replace(BASELINES["patchmatch_2"], missing=lambda: "no library for this machine")
    monkeypatch.setitem(BASELINES, "patchmatch_2", missing)
    held_out._warn_missing.cache_clear()
    for _ in range(2):
        assert set(score_baselines(some, 5)) == {"Telea", "pyramid fill"}
    assert capsys.readouterr().err == "onar: PatchMatch is missing among the baselines: no library for this machine\n"
