"""A headless Chromium that tests drive by its DevTools protocol: open pages, press keys, run JavaScript.

It needs a browser (Debian: ``apt install chromium``; another: its path in CHROMIUM) and the package ``websockets``,
which viser brings. Tests are skipped without them.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--hide-scrollbars",
    "--no-first-run", "--disable-background-networking", "--disable-extensions", "--remote-debugging-port=0",
)  # fmt: skip
KEYS = {
    "Enter": (13, "\r"), "Escape": (27, ""), "ArrowLeft": (37, ""), "ArrowUp": (38, ""), "ArrowRight": (39, ""),
    "ArrowDown": (40, ""), "Home": (36, ""), "End": (35, ""), "Tab": (9, ""), " ": (32, " "),
    "/": (191, "/"), "?": (191, "?"),
}  # fmt: skip
"""Keys whose codes are not those of their capital letters: code, text."""


class Browser:
    """One page of a headless browser.

    Args:
        profile: Folder for the browser's profile.
        size: Width and height of the page, pixels.
    """

    def __init__(self, profile: Path, size: tuple[int, int] = (1200, 800)) -> None:
        connect = pytest.importorskip("websockets.sync.client").connect
        names = (os.environ.get("CHROMIUM"), *PROGRAMS)
        program = next((found for name in names if name and (found := shutil.which(name))), None)
        if program is None:
            pytest.skip(f"there is no browser: {', '.join(PROGRAMS)}")
        command = [program, *FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", "about:blank"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            port, path = waited(lambda: _port_of(profile), "the browser does not start")
            self._socket = connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None)
            self._number, self._session, self.problems = 0, None, []
            self._loaded = False
            targets = self._ask("Target.getTargets")["targetInfos"]
            page = next(target["targetId"] for target in targets if target["type"] == "page")
            self._session = self._ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        except BaseException:
            self.close()
            raise
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")
        self._ask("Performance.enable", timeDomain="threadTicks")
        self.resize(*size)

    problems: list[str]
    """Errors of the console and exceptions, since the browser was started."""

    def close(self) -> None:
        """Ends the browser with its processes: a page that still draws does not answer."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)

    def open(self, address: str) -> None:
        """Opens a page and waits until it is loaded."""
        self._loaded, self._began = False, 0.0
        self._began = self.seconds()
        self._ask("Page.navigate", url=address)
        waited(lambda: self._loaded or self.run("1") is None, f"{address} does not load")

    def run(self, code: str) -> Any:
        """Value of a JavaScript expression; a promise is waited for."""
        answer = self._ask("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True, userGesture=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{code}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, code: str, seconds: float = 10.0) -> Any:
        """Waits until an expression is true, and returns its value."""
        return waited(lambda: self.run(code), f"never true: {code}", seconds)

    def seconds(self) -> float:
        """Processor time of the page's main thread since `open`, seconds: what else runs does not change it."""
        found = self._ask("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in found if one["name"] == "TaskDuration") - self._began

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Sets the size of the page, pixels."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def prefer(self, scheme: str) -> None:
        """Sets what the system prefers: ``dark`` or ``light``."""
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key: str) -> None:
        """Presses and releases a key, named as in KeyboardEvent.key."""
        code, text = KEYS.get(key, (ord(key[0].upper()), key))
        values = {"key": key, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self._ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **values)
        self._ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def write(self, text: str) -> None:
        """Types a text."""
        for letter in text:
            self.press(letter)

    def move(self, x: float, y: float) -> None:
        """Moves the mouse."""
        self._ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self) -> np.ndarray:
        """(H, W, 3) RGB 0–255: what the page shows."""
        content = base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            self._hear(answer)

    def _hear(self, event: dict[str, Any]) -> None:
        """Notes loading and problems."""
        method, values = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.problems.append(str(values["exceptionDetails"].get("exception", {}).get("description", values)))
        elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "assert"):
            self.problems.append(" ".join(str(one.get("value", one.get("description"))) for one in values["args"]))
        elif method == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.problems.append(f"{values['entry']['text']} {values['entry'].get('url', '')}")


def waited(work: Callable[[], Any], told: str, seconds: float = 15.0) -> Any:
    """The first value of a function that is true; fails after some seconds."""
    end = time.monotonic() + seconds
    while not (value := work()):
        assert time.monotonic() < end, told
        time.sleep(0.03)
    return value


def _port_of(profile: Path) -> tuple[str, str] | None:
    """Port and path of the browser's socket, which it writes into its profile when it listens."""
    file = profile / "DevToolsActivePort"
    lines = file.read_text().splitlines() if file.is_file() else []
    return (lines[0], lines[1]) if len(lines) == 2 else None
