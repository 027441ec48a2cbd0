"""Debian's Firefox, driven by WebDriver BiDi (https://w3c.github.io/webdriver-bidi), which it speaks by itself.

Playwright drives a Firefox of its own, and asks Debian's for commands that it does not know.
"""

import base64
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
PATIENCE = 60
"""Seconds; other tests share the machine."""

PREFERENCES = {
    "browser.download.folderList": 2,  # the one that is named
    "browser.download.useDownloadDir": True,
    "browser.helperApps.neverAsk.saveToDisk": "image/png,image/jpeg",
    "datareporting.policy.dataSubmissionEnabled": False,
    "intl.accept_languages": "en-US",
    "browser.shell.checkDefaultBrowser": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}


class Page:
    """A tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count()
        self.send("session.new", capabilities={})
        self.context = self.send("browsingContext.getTree")["contexts"][0]["context"]
        self.asked: list[str] = []
        self.send("session.subscribe", events=["network.beforeRequestSent"])

    def send(self, method: str, **params: object) -> dict[str, Any]:
        """The answer to a command."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._connection.recv(timeout=PATIENCE))
            if message.get("method") == "network.beforeRequestSent":
                self.asked.append(message["params"]["request"]["url"])
            if message.get("id") == number:
                assert message["type"] == "success", message
                return message["result"]

    def open(self, address: str) -> None:
        self.send("browsingContext.navigate", context=self.context, url=address, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """A string, a number or an object of them; awaited."""
        json_of = f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))"
        target = {"context": self.context}
        answer = self.send("script.evaluate", expression=json_of, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def wait_for(self, condition: str) -> None:
        """Until an expression is true."""
        self.evaluate(
            f"""new Promise((resolve, reject) => {{
                const began = performance.now();
                const ask = () => {{
                    if ({condition}) resolve();
                    else if (performance.now() - began > {PATIENCE * 500}) reject(new Error(document.body.innerText));
                    else setTimeout(ask, 50);
                }};
                ask();
            }})"""
        )

    def choose_file(self, label: str, path: Path) -> None:
        locator = {"type": "css", "value": f'input[type=file][aria-label="{label}"]'}
        (node,) = self.send("browsingContext.locateNodes", context=self.context, locator=locator)["nodes"]
        element = {"sharedId": node["sharedId"]}
        self.send("input.setFiles", context=self.context, element=element, files=[str(path)])

    def click(self, name: str) -> None:
        """A button, by what it is called."""
        buttons = "[...document.querySelectorAll('button')]"
        self.evaluate(f"{buttons}.find((each) => (each.ariaLabel ?? each.textContent.trim()) === {name!r}).click()")

    def drag(self, *points: tuple[float, float]) -> None:
        """With the mouse, over points of the page."""
        moves = [{"type": "pointerMove", "x": round(x), "y": round(y)} for x, y in points]
        actions = [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:], {"type": "pointerUp", "button": 0}]
        source = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}
        self.send("input.performActions", context=self.context, actions=[source])

    def press(self, key: str) -> None:
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.send(
            "input.performActions", context=self.context, actions=[{"type": "key", "id": "keys", "actions": actions}]
        )

    def keep_picture(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(base64.b64decode(self.send("browsingContext.captureScreenshot", context=self.context)["data"]))


@contextmanager
def running_firefox(folder: Path) -> Iterator[Page]:
    """A page in a Firefox with a profile of its own, whose downloads go to `folder`; or a test that skips itself."""
    if FIREFOX is None:
        pytest.skip("needs Firefox: apt-get install firefox-esr")
    profile = folder / "profile"
    profile.mkdir()
    preferences = {**PREFERENCES, "browser.download.dir": str(folder)}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines))
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stderr.readline, "")
            address = next(found[1] for line in lines if (found := re.search(r"BiDi listening on (ws://\S+)", line)))
            with connect(f"{address}/session", max_size=None) as connection:
                yield Page(connection)
        finally:
            process.terminate()
