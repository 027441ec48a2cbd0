"""A client that openapi-python-client generates from the server's description."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from tools.release import trials
from tools.release.contents import REPOSITORY
from tools.release.pythons import Environment, Python

GENERATOR = "openapi-python-client>=0.29"

OPTIONS = """\
content_type_overrides:
  "image/*": application/octet-stream
  image/png: application/octet-stream
"""
"""It knows no pictures, and returns such answers as files."""

CLIENT = """
import sys
from io import BytesIO
from pathlib import Path
from onar_client import AuthenticatedClient
from onar_client.api.photos import complete
from onar_client.api.state import describe, health
from onar_client.models import CompleteFilesUpload, CompleteFilesUploadFormat, Health, Model, Problem
from onar_client.types import File

url, photo, mask, result = sys.argv[1:]
client = AuthenticatedClient(url, token="key", timeout=300)
assert isinstance(health.sync(client=client), Health)
assert isinstance(describe.sync(client=client), Model)

def upload(mask):
    files = {name: File(BytesIO(Path(path).read_bytes()), path) for name, path in (("photo", photo), ("mask", mask))}
    return CompleteFilesUpload(**files, format_=CompleteFilesUploadFormat.PNG)

refused = complete.sync(client=client, body=upload(sys.argv[0]))
assert isinstance(refused, Problem) and refused.error == "not_a_picture", refused
wrong = complete.sync(client=AuthenticatedClient(url, token="wrong"), body=upload(mask))
assert isinstance(wrong, Problem) and wrong.error == "unauthorized", wrong
filled = complete.sync(client=client, body=upload(mask))
assert isinstance(filled, File), filled
Path(result).write_bytes(filled.payload.read())
"""


def fills_a_hole(server: Environment, python: Python, folder: Path) -> str:
    """Generate a client from a running server, and fill the hole of a photo with it."""
    environment = Environment(python, folder / "client_environment")
    environment.install(GENERATOR, REPOSITORY / "constraints.txt")
    description, script, options = folder / "openapi.json", folder / "use_client.py", folder / "client.yaml"
    script.write_text(CLIENT, encoding="utf-8")
    options.write_text(OPTIONS, encoding="utf-8")
    photo = trials.bundled_photos(server) / trials.PHOTO
    with trials.serving(server, "--api_key", "key") as url:
        answer = httpx.get(f"{url}/api/openapi.json", headers={"Authorization": "Bearer key"})
        description.write_text(answer.raise_for_status().text, encoding="utf-8")
        places = ["--path", description, "--output-path", folder / "generated", "--config", options]
        said = environment.run("openapi-python-client", "generate", *places)
        if "WARNING" in said:
            raise trials.CheckFailed(f"the generator warns: {' '.join(said.split())[:500]}")
        packages = environment.run("python", "-c", "import site; print(site.getsitepackages()[0])")
        (folder / "generated" / "onar_client").rename(Path(packages) / "onar_client")
        environment.run("python", script, url, photo, trials.mask_in(folder), folder / "by_client.png")
    before = np.asarray(Image.open(photo).convert("RGB"))
    filled = trials.check_fill(before, folder / "by_client.png", folder)
    return f"{filled} of {trials.PHOTO} filled by a generated client"
