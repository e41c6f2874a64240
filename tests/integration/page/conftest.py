"""A real headless Chromium, spoken to by its DevTools protocol, and a twin to look at.

Chromium's own protocol over a WebSocket is all that is needed here; a driver of its own
would have to be installed and kept as old as the browser. The WebSocket client comes with
the embedded broker, amqtt.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

START_SECONDS = 60.0
POLL_SECONDS = 0.05
"""Between two looks at what a program of others or the page shows."""
ANSWER_SECONDS = 30.0
LARGEST_MESSAGE = 1 << 26
"""A screenshot is one message."""

KEYS = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39,
        "ArrowDown": 40, "Home": 36, "End": 35, "Tab": 9}  # fmt: skip


class PageError(Exception):
    """The browser answered with an error."""


class Tab:
    """One open page.

    Attributes:
        requests: addresses of everything that it asked for.
        complaints: errors and warnings of its console, uncaught exceptions, blocked resources.
    """

    def __init__(self, address: str) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._socket: ClientConnection = connect(address, max_size=LARGEST_MESSAGE)
        self._ids = itertools.count(1)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=ANSWER_SECONDS))
            if message.get("id") != number:
                self._note(message)
            elif "error" in message:
                raise PageError(f"{method}: {message['error']['message']}")
            else:
                result: dict[str, Any] = message["result"]
                return result

    def _note(self, message: dict[str, Any]) -> None:
        """Remember what an event says, if it is of interest."""
        method, event = message.get("method", ""), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.complaints.append(details.get("exception", details).get("description", ""))
        elif method == "Runtime.consoleAPICalled" and event["type"] in {"error", "warning"}:
            self.complaints.append(str([argument.get("value") for argument in event["args"]]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")

    def dress(self, width: int, height: int, scheme: str = "light", *, phone: bool = False) -> None:
        """Set the size of the window and the colour scheme that the reader prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def go(self, url: str) -> None:
        """Open an address and wait until the page has shown its first figures."""
        # From another address, because one that differs after the # alone is no new page.
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        self.until("document.documentElement.dataset.ready === 'yes'")

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, of its promise if it is one."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise PageError(answer["exceptionDetails"]["exception"].get("description", "thrown"))
        return answer["result"].get("value")

    def until(self, expression: str, seconds: float = ANSWER_SECONDS) -> Any:
        """Wait until an expression is true and return its value."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                last = self.value(expression)
            except PageError as error:  # a page that is being loaded has nothing to look at
                last = error
            else:
                if last:
                    return last
            if time.monotonic() > deadline:
                pytest.fail(f"not within {seconds} s: {expression}; it was {last!r}")
            time.sleep(POLL_SECONDS)

    def text(self, selector: str) -> str:
        """Return the text of the first element that matches."""
        return str(self.value(f"document.querySelector({selector!r}).textContent"))

    def press(self, key: str) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key],
            )  # fmt: skip

    def point(self, x: float, y: float) -> None:
        """Move the pointer."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x: float, y: float) -> None:
        """Move the pointer and press its button."""
        self.point(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, path: Path) -> None:
        """Write what is seen to a PNG file."""
        path.write_bytes(
            base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        )

    def close(self) -> None:
        """Close the page."""
        self.call("Page.close")
        self._socket.close()


class Browser:
    """A headless Chromium."""

    def __init__(self, program: str, folder: Path) -> None:
        self._log = (folder / "chromium.log").open("wb")
        self._process = subprocess.Popen(
            [
                program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--disable-background-networking", "--disable-component-update",
                "--disable-dev-shm-usage", "--force-prefers-reduced-motion", "--hide-scrollbars",
                "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}", "about:blank",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._port = self._read_port(folder / "profile/DevToolsActivePort")

    def _read_port(self, file: Path) -> int:
        deadline = time.monotonic() + START_SECONDS
        while not (file.exists() and file.read_text().strip()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail("Chromium did not start")
            time.sleep(POLL_SECONDS)
        return int(file.read_text().splitlines()[0])

    def tab(self, width: int = 1920, height: int = 1080, scheme: str = "light") -> Tab:
        """Return a new page."""
        answer = httpx.put(f"http://127.0.0.1:{self._port}/json/new?about:blank", timeout=30)
        tab = Tab(answer.json()["webSocketDebuggerUrl"])
        tab.dress(width, height, scheme)
        return tab

    def stop(self) -> None:
        """End the browser."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


class Twin:
    """A ``twin`` command as a process of its own.

    Args:
        log: what it says.
        arguments: of the command.
        ready: whether to wait for its page.

    Attributes:
        url: address of its page.
        token: for faults, when one was made up.
    """

    def __init__(self, log: Path, *arguments: str, ready: bool = True) -> None:
        self._arguments = arguments
        self._log = log
        self.url = self.token = ""
        self.start(ready=ready)

    def start(self, *, ready: bool = True) -> None:
        """Start it and wait for its page."""
        self._log.write_bytes(b"")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "twin", *self._arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        if ready:
            self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", self._log.read_text())):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"the twin did not start:\n{self._log.read_text()}")
            time.sleep(POLL_SECONDS)
        self.url = found[0]
        if made_up := re.search(r"#token=(\S+)", self._log.read_text()):
            self.token = made_up[1]

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for all tests of a module."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("the integration tests need chromium; install it or run -m 'not integration'")
    browser = Browser(program, tmp_path_factory.mktemp("browser"))
    try:
        yield browser
    finally:
        browser.stop()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    """A new page of 1920 by 1080; at the end it is closed, because each holds a connection."""
    tab = browser.tab()
    yield tab
    tab.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    """A demo site on whose page faults can be injected."""
    log = tmp_path_factory.mktemp("demo") / "twin.log"
    twin = Twin(log, "up", "--port", "0", "--mqtt-port", "0", "--allow-inject")
    try:
        yield twin
    finally:
        twin.stop()


@pytest.fixture
def twin(servers: ExitStack, tmp_path: Path) -> Callable[..., Twin]:
    """Return a function that starts a ``twin`` command with these arguments."""
    numbers = itertools.count(1)

    def start(*arguments: str) -> Twin:
        twin = Twin(tmp_path / f"twin-{next(numbers)}.log", *arguments)
        servers.callback(twin.stop)
        return twin

    return start
