"""Drive a headless Chromium over its debugging pipe: real keys, real layout, real policies. No package is needed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
    "about:blank",
]
KEYS = {"Enter": 13, " ": 32, "Escape": 27, "ArrowRight": 39, "ArrowLeft": 37, "End": 35, "Home": 36, "Tab": 9}


class Chromium:
    """One browser with one page; use as a context manager.

    The browser reads commands from its file descriptor 3 and answers on 4, each a JSON text that ends with a zero byte.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        commands, self._to = os.pipe()
        self._from, answers = os.pipe()
        line = 'exec "$0" "$@" 3<&"$COMMANDS" 4>&"$ANSWERS"'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", line, COMMAND or "chromium", f"--user-data-dir={self._folder.name}", *FLAGS],
            pass_fds=(commands, answers),
            env={**os.environ, "COMMANDS": str(commands), "ANSWERS": str(answers)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._buffer, self._number, self._session = b"", 0, ""
        self.messages: list[str] = []  # what the page wrote to its console, broken policies included
        self.requests: list[str] = []  # addresses that were asked for

    def __enter__(self) -> Chromium:
        [target] = [t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page"][:1]
        attach = {"targetId": target["targetId"], "flatten": True}
        self._session = self.send("Target.attachToTarget", **attach)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._to)
        os.close(self._from)
        self._folder.cleanup()

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            found = self._receive()
            if found.get("id") == self._number:
                assert "error" not in found, found["error"]
                return dict(found["result"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            more = os.read(self._from, 1 << 16)
            assert more, "the browser has ended"
            self._buffer += more
        text, _, self._buffer = self._buffer.partition(b"\0")
        found = json.loads(text)
        params = found.get("params", {})
        if found.get("method") == "Log.entryAdded":
            self.messages.append(params["entry"]["text"])
        elif found.get("method") == "Runtime.exceptionThrown":
            self.messages.append(str(params["exceptionDetails"]))
        elif found.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif found.get("method") == "Page.javascriptDialogOpening":
            raise AssertionError(f"a script of the page's data ran: {params['message']}")
        return dict(found)

    def open(self, file: Path, *, width: int = 1280, dark: bool = False) -> None:
        """Open a file in a window of a width, in pixels, and wait until it is loaded."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url=file.as_uri())
        while self._receive().get("method") != "Page.loadEventFired":
            pass

    def run(self, expression: str) -> Any:
        """Return the value of an expression of the page."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key as a person does."""
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=KEYS.get(key, 0), **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=KEYS.get(key, 0))

    def point(self, selector: str, *, click: bool = False) -> None:
        """Move the mouse to the middle of an element, and click."""
        middle = (
            f"(async () => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center', behavior: 'instant'});"
            " for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);"  # the page hears of the scrolling
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        x, y = self.run(middle)
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        if click:
            for kind in ("mousePressed", "mouseReleased"):
                self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def pdf(self) -> bytes:
        """Return the page as it is printed."""
        return base64.b64decode(self.send("Page.printToPDF", printBackground=True)["data"])
