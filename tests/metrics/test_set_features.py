from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch

import onar
from onar.errors import OnarError
from onar.metrics import set_features
from onar.metrics.set_features import load_set_features
from tests.conftest import PHOTOS
from tests.metrics.test_learned_distances import load

torch_fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")


@pytest.fixture(scope="module")
def random_inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """InceptionV3's weights at random, in a file like the published one."""

    class Untrained(torch_fidelity.FeatureExtractorInceptionV3):  # type: ignore[misc, name-defined]
        def load_state_dict(self, state: dict) -> None:
            pass

    file = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save({}, file)
    torch.manual_seed(0)
    torch.save(Untrained("inception-v3-compat", ["2048"], str(file)).state_dict(), file)
    return file


@pytest.fixture
def torch_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, on a computer without a network."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    return checkpoints


def test_features_are_those_of_torchmetrics_with_the_resizing_of_papers(random_inception: Path) -> None:
    from torchmetrics.image.fid import NoTrainInceptionV3

    pictures = load(size=64)
    ours = load_set_features("inception_v3", random_inception)(pictures)
    theirs = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(random_inception), antialias=False)
    assert ours.shape == (2, 2048)
    assert ours.std() > 0
    torch.testing.assert_close(ours, theirs(pictures.mul(255).round().byte()).double())


def test_only_the_published_weights_give_the_distances_of_papers(
    random_inception: Path, torch_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = load_set_features("inception_v3", random_inception)
    assert not other.is_standard
    assert "not the published ones" in other.note
    digest = hashlib.sha256(random_inception.read_bytes()).hexdigest()
    published = shutil.copy(random_inception, torch_cache / f"published-{digest[:8]}.pth")
    monkeypatch.setattr(set_features, "INCEPTION_URL", f"https://127.0.0.1/{published.name}")
    assert load_set_features("inception_v3").is_standard


def test_without_weights_the_report_says_what_to_do_and_has_all_else(torch_cache: Path) -> None:
    found = onar.evaluate(PHOTOS, weights="pyramid", img_size=32, masks_per_range=1, count=2, features="inception_v3")
    assert found.sets.scores == {}
    lines = str(found).splitlines()
    line = next(line for line in lines if line.startswith("FID and KID on inception_v3: not available"))
    for words in (
        "cannot be downloaded", "weights-inception-2015-12-05-6726825d.pth", str(torch_cache), "features_w",
    ):  # fmt: skip
        assert words in line
    assert found.overall["pyramid"]["psnr"]


def test_a_damaged_file_in_the_cache_is_not_used(random_inception: Path, torch_cache: Path) -> None:
    shutil.copy(random_inception, torch_cache / Path(set_features.INCEPTION_URL).name)
    with pytest.raises(OnarError, match=r"is damaged .* with features_weights PATH"):
        load_set_features("inception_v3")


@pytest.mark.parametrize("content", [{"weight": torch.zeros(3)}, {"weight": Path("code")}])
def test_a_file_of_something_else_is_refused(content: dict, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    other = {"features": "inception_v3", "features_weights": tmp_path / "other.pth"}
    with pytest.raises(OnarError, match=r"other\.pth (does not hold|is refused)"):
        onar.evaluate(PHOTOS, weights="pyramid", count=1, **other)


def test_distances_of_other_networks_have_another_title(random_inception: Path) -> None:
    from onar.evaluation.report import SetDistances

    columns = [SetDistances("any", 2, {}, standard, "").columns.values() for standard in (True, False)]
    titles = [[metric.title for metric in metrics] for metrics in columns]
    assert titles == [["FID (InceptionV3)", "KID (InceptionV3)"], ["FID*", "KID*"]]
