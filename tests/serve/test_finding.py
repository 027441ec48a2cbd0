"""`POST /api/find`: the mask of damage in a photo, the same as that of `onar.find`."""

import io

import numpy as np
import pytest
from PIL import Image

import onar
from tests.finding.test_finding import needs_finder, scratched
from tests.support.pictures import encode
from tests.support.server import server_in_process

pytestmark = [pytest.mark.process, needs_finder]

WRONG = {
    "unknown kind": ({"what": "wires"}, 422, "bad_request"),
    "too much": ({"max_share": "0.0001"}, 422, "too_much_found"),
    "half a rectangle": ({"within": "5 5"}, 422, "bad_request"),
    "a rectangle outside": ({"within": "900,0,5,5"}, 422, "bad_request"),
    "a negative width": ({"grow": "-1"}, 422, "bad_request"),
    "no number": ({"sensitivity": "nan"}, 422, "bad_request"),
    "unknown field": ({"mask": "x"}, 422, "bad_request"),
}


def test_masks_over_http_are_those_of_python_and_wrong_fields_are_refused() -> None:
    photo, _ = scratched()
    file = {"photo": ("photo.png", encode(Image.fromarray(photo), "PNG"))}
    with server_in_process() as client:
        for fields in ({}, {"what": "scratches", "sensitivity": "0.8", "within": "0,0,0.5,1", "grow": "3"}):
            answer = client.post("/api/find", files=file, data=fields)
            options = {"sensitivity": 0.8, "within": (0, 0, 0.5, 1), "grow": 3} if fields else {}
            mask = onar.find(photo, fields.get("what", "scratches,dust"), **options)
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), mask)
            assert float(answer.headers["Onar-Share"]) == pytest.approx((mask > 0).mean(), abs=1e-6)
            assert answer.headers["Onar-Size"] == "320x240"
        for name, (fields, status, word) in WRONG.items():
            answer = client.post("/api/find", files=file, data=fields)
            assert (answer.status_code, answer.json()["error"]) == (status, word), name
