"""A metric, a baseline or a feature network is one entry in one table."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from torch import nn

from onar.data.mask_sources import GeneratedMasks
from onar.data.photo_sets import open_photos
from onar.evaluation.verb import evaluate
from onar.metrics.baselines import BASELINES, Baseline, mean
from onar.metrics.feature_networks import FEATURES, FrozenFeatures, load_features
from onar.metrics.held_out import load_held_out, score_baselines
from onar.metrics.set_features import load_set_features
from onar.metrics.table import METRICS, Metric, curve_names, score, title_of
from onar.serve.trainings.runs import read_run, state_of
from onar.settings.options import ContentNetwork
from onar.settings.training import TrainConfig
from onar.training.blend.config import BlendConfig
from tests.conftest import PHOTOS


def worst(composite, photo, known):
    return np.abs(np.asarray(composite) - np.asarray(photo)).max((1, 2, 3))


def test_a_metric_is_one_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = Metric("Largest error", higher_is_better=False, compute=worst, in_curves=True)
    monkeypatch.setitem(METRICS, "worst", entry)
    photo, known = np.zeros((1, 3, 16, 16)), np.ones((1, 1, 16, 16))
    assert score(photo + 0.25, photo, known)["worst"].tolist() == [0.25]
    report = evaluate(PHOTOS, weights="pyramid", img_size=32, masks_per_range=1)
    assert report.to_plain()["metrics"]["worst"] == {"title": "Largest error", "better": "lower", "unavailable": None}
    assert 0 < (report.overall["pyramid"]["worst"] or 0) <= 1
    assert "Largest error" in str(report)
    (tmp_path / "config.toml").write_text("epochs = 1")
    line = {"kind": "epoch", "step": 1, "epoch": 1, "epochs_done": 1, "seconds": 1, "images_per_second": 1}
    scores = {"onar": {"worst": 0.5, "ssim_hole": 0.9, "of_another_version": 1, "psnr": 20}}
    (tmp_path / "log.jsonl").write_text(json.dumps({**line, "validation": scores}) + "\n")
    assert list(read_run(tmp_path, state_of(tmp_path)).scores) == ["psnr", "worst", "of_another_version"]


def test_curves_show_metrics_in_the_order_of_the_table_and_unknown_ones_last() -> None:
    assert curve_names(["new", "l1", "lpips", "psnr"]) == ["psnr", "l1", "new"]
    best_by = get_args(get_type_hints(TrainConfig)["best_by"])
    assert set(best_by) <= {name for name, metric in METRICS.items() if metric.in_curves}


def test_scores_in_logs_have_titles() -> None:
    assert [title_of(name) for name in ("psnr", "new")] == ["PSNR (dB)", "new"]
    assert title_of("error") == "Colour error in holes (of 255)"


def test_every_metric_is_computed_or_loaded() -> None:
    assert all((metric.compute is None) != (metric.load is None) for metric in METRICS.values())


def test_a_baseline_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Baseline(mean, "a made-up fill", title="Made up")
    monkeypatch.setitem(BASELINES, "made_up", entry)
    monkeypatch.setitem(BASELINES, "biharmonic", replace(entry, title=None, missing=lambda: "no package"))
    held_out = load_held_out(open_photos(PHOTOS), 32, 32, GeneratedMasks(), seed=0).first(2)
    assert {"Telea", "Made up", "pyramid fill"} <= score_baselines(held_out, 2).keys()
    report = evaluate(PHOTOS, weights="pyramid", baselines=True, img_size=16, masks_per_range=1, count=2)
    assert (report.methods["made_up"], report.overall["made_up"]) == ("a made-up fill", report.overall["mean"])
    assert report.unavailable_methods["biharmonic"] == "no package"


def test_a_feature_network_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FEATURES, "made_up", lambda weights: FrozenFeatures([nn.AvgPool2d(4)], [0.0] * 3, [1.0] * 3))
    picture = torch.full((1, 3, 8, 8), 0.5)
    assert load_features("made_up")(picture)[0].shape == (1, 3, 2, 2)
    assert load_set_features("made_up")(picture).tolist() == [[0.5] * 3]
    for name in get_args(ContentNetwork):
        assert name in FEATURES
        assert TrainConfig(content_network=name).content_network == name
        assert BlendConfig(content_network=name).content_network == name
