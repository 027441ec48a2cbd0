"""The server in a container that is locked down: nothing can be written, and its user exists nowhere."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.support.bad_requests import PATH
from tests.support.pictures import a_mask, encode

pytestmark = pytest.mark.process

READ_ONLY = """
mount --make-rprivate /
awk '{print $5}' /proc/self/mountinfo | grep -vE '^/(proc|sys)(/|$)' | while read -r place; do
    mount -o remount,bind,ro "$place" 2>/dev/null
done
for folder in /tmp /var/tmp /dev/shm; do
    if test -d "$folder" && touch "$folder/onar" 2>/dev/null; then echo "can write to $folder"; exit 1; fi
done
cd /
exec setpriv --reuid 54321 --regid 54321 --clear-groups \
    --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search --bounding-set=-all,+dac_read_search "$@"
"""
"""Runs a command as a user without a name and a home, who may read everything and write nothing."""


def can_confine() -> bool:
    try:
        tried = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", "true"]
        return subprocess.run(tried, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def confined_server(*environment: str) -> Iterator[str]:
    """The address of a server that cannot write; it must end silently."""
    where = ["env", "-i", "PATH=/usr/bin:/bin", f"PYTHONPATH={REPOSITORY / 'src'}", *environment]
    serve = [sys.executable, "-m", "onar", "serve", "--port", "0"]
    command = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", *where, *serve]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = []
        for line in iter(process.stdout.readline, ""):
            said.append(line)
            if found := re.match(r"serving at (\S+)", line):
                break
        else:
            raise AssertionError("".join(said))
        try:
            yield found[1]
        finally:
            process.terminate()
            rest = process.stdout.read()
    assert (process.returncode, rest) == (0, "")


@pytest.mark.skipif(not can_confine(), reason="needs root, unshare and setpriv")
@pytest.mark.parametrize("environment", [("HOME=/nonexistent",), ()], ids=["a home that does not exist", "no home"])
def test_large_and_small_uploads_are_filled_where_nothing_can_be_written(environment: tuple[str, ...]) -> None:
    noise = np.random.default_rng(0)
    with confined_server(*environment) as url:
        for side in (64, 1200):
            photo = encode(noise.integers(0, 256, (side, side, 3), dtype=np.uint8))
            answer = httpx.post(url + PATH, files={"photo": photo, "mask": a_mask(side, side)}, timeout=120)
            assert answer.status_code == 200, answer.text
        assert len(photo) > 4_000_000  # Starlette writes files of more than a megabyte to a folder
        assert httpx.get(f"{url}/api/docs").status_code == 200
