"""Sheets of generated masks."""

import base64
import io

import httpx
import numpy as np
import pytest
from PIL import Image

from onar.masks.defaults import MASK_TYPES
from onar.serve.masks.routes import COLUMNS, COUNT, SIZE, as_flags
from onar.settings.training import MaskConfig
from tests.support.server import Server

pytestmark = pytest.mark.process


def get(server: Server, **settings: object) -> httpx.Response:
    return httpx.get(f"{server.url}/api/masks", params=settings, timeout=60)


def draw(server: Server, **settings: object) -> dict:
    answer = get(server, **settings)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("config", [MaskConfig(), MaskConfig(mask_type="rectangle", hole_ratio=(0.2, 0.4))])
def test_the_flags_shown_give_the_settings_back(config: MaskConfig) -> None:
    from onar.cli import app

    _, bound, _ = app.parse_args(["masks", "out", *as_flags(config).split()], exit_on_error=False)
    assert bound.arguments["config"] == config


@pytest.mark.parametrize("mask_type", MASK_TYPES)
def test_a_sheet_shows_masks_of_the_reported_shares(server: Server, mask_type: str) -> None:
    samples = draw(server, mask_type=mask_type, hole_ratio=[0.2, 0.3], seed=1)
    sheet = Image.open(io.BytesIO(base64.b64decode(samples["sheet"].removeprefix("data:image/png;base64,"))))
    rows, columns = np.array_split(np.asarray(sheet.convert("L")), COUNT // COLUMNS), COLUMNS
    assert (samples["columns"], len(samples["shares"])) == (COLUMNS, COUNT)
    assert all(0.19 < share <= 0.3 for share in samples["shares"])
    # Round every mask is a frame of grey, and that is the only grey there is.
    white = [(part == 255).sum() for row in rows for part in np.array_split(row, columns, axis=1)]
    paper = (sheet.height * sheet.width - COUNT * (SIZE + 2) ** 2) / COUNT
    assert sum(white) / COUNT - paper == pytest.approx(np.mean(samples["shares"]) * SIZE**2, rel=1e-6)
    assert f"--mask_type {mask_type} --hole_ratio 0.2 0.3" in samples["flags"]


def test_a_seed_gives_the_same_masks_and_another_one_others(server: Server) -> None:
    assert draw(server, seed=3) == draw(server, seed=3)
    assert draw(server, seed=3)["sheet"] != draw(server, seed=4)["sheet"]
    assert draw(server)["flags"] == as_flags(MaskConfig())


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"mask_type": "round"}, "mask_type takes irregular, rectangle, mixed or object"),
        ({"max_masks": 0}, "max_masks"),
        ({"max_masks": 10**9}, "max_masks"),
        ({"max_size_ratio": "nan"}, "max_size_ratio"),
        ({"max_size_ratio": 0.001}, "max_size_ratio"),
        ({"max_thickness": 1.5}, "max_thickness"),
        ({"hole_ratio": [0.3, 0.1]}, "hole_ratio takes two shares"),
        ({"hole_ratio": [0.3]}, "hole_ratio"),
        ({"hole_ratio": [0.1, 0.9999]}, "hole_ratio"),
        ({"seed": -1}, "seed"),
        ({"masks": "/etc"}, "masks"),
    ],
)
def test_invalid_mask_settings_are_refused(server: Server, settings: dict[str, object], problem: str) -> None:
    answer = get(server, **settings)
    assert (answer.status_code, answer.json()["error"]) == (422, "bad_request")
    assert problem in answer.json()["message"]
    assert "\n" not in answer.json()["message"]


def test_openapi_describes_the_settings(server: Server) -> None:
    described = httpx.get(f"{server.url}/api/openapi.json").json()["paths"]["/api/masks"]["get"]
    parameters = {parameter["name"]: parameter for parameter in described["parameters"]}
    assert parameters.keys() == {"mask_type", "max_masks", "max_size_ratio", "max_thickness", "hole_ratio", "seed"}
    assert parameters["mask_type"]["schema"]["enum"] == list(MASK_TYPES)
    assert all(parameter["description"] for parameter in parameters.values())
