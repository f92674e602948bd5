"""Pages as a person sees them: a headless Chromium that renders HTML, measures it, and writes a picture.

Spoken to over two pipes (``--remote-debugging-pipe``): no port is opened and no further library needed. The pictures go
into the folder that ``$RESPONDER_PICTURES`` names, else into the test's own.
"""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

#: A phone's width and a desk's, in CSS pixels.
PHONE, DESK = 390, 1100
#: Starting a browser on a busy machine takes its time.
PATIENCE = 120.0

#: How far the page reaches beyond the window, which elements do, and what a reader could read.
_MEASURE = """(() => {
  const root = document.documentElement;
  const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > WIDTH + 0.5);
  return {
    window: WIDTH, width: Math.max(root.scrollWidth, document.body.scrollWidth), height: root.scrollHeight,
    wide: wide.slice(0, 5).map(e => e.outerHTML.slice(0, 160)), text: document.body.innerText,
    scripts: document.scripts.length, background: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.body).color,
  };
})()"""


def missing() -> str:
    """Return why there can be no pictures here; "" where there can."""
    return "" if _program() else "no chromium here (apt install chromium)"


def _program() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def _high_pipe() -> tuple[int, int]:
    """Return a pipe whose descriptors are well above 3 and 4, where the browser wants them."""
    pipe = os.pipe()
    high = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 20) for each in pipe]
    for each in pipe:
        os.close(each)
    return high[0], high[1]


def picture_folder(otherwise: Path) -> Path:
    """Return the folder for pictures."""
    folder = Path(os.environ.get("RESPONDER_PICTURES") or otherwise)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A page as it was rendered.

    ``width`` is what its content needs, ``window`` what there is; ``wide`` are elements that reach beyond. ``asked``
    are the addresses that it asked for, apart from itself. ``answer`` is that of the expression that was asked.
    """

    window: int
    width: int
    height: int
    wide: list[str]
    text: str
    scripts: int
    background: str
    ink: str
    asked: list[str]
    answer: Any


class Browser:
    """One headless Chromium; a context manager. Tests share it, each look is a page of its own."""

    def __enter__(self) -> Self:
        """Start it, and wait until it answers."""
        self._home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_read, to_write = _high_pipe()
        from_read, from_write = _high_pipe()
        program = _program()
        assert program is not None, missing()
        words = [
            program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--hide-scrollbars",
            "--disable-background-networking",
            "--disable-component-update",
            "--proxy-server=127.0.0.1:9",  # nothing outside is ever reached; what is asked for is seen
            "--remote-debugging-pipe",
            f"--user-data-dir={self._home.name}",
            "about:blank",
        ]
        # The browser reads commands from descriptor 3 and writes answers to 4.
        shell = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "chromium", str(to_read), str(from_write), *words],
            pass_fds=(to_read, from_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": self._home.name},
            start_new_session=True,
        )
        os.close(to_read)
        os.close(from_write)
        self._write, self._read = to_write, from_read
        self._buffer = b""
        self._numbers = itertools.count(1)
        self._events: list[dict[str, Any]] = []
        self._tell("Browser.getVersion")
        return self

    def __exit__(self, *_: object) -> None:
        """End it and whatever it has started: all of them are of the session that was made for it."""
        os.close(self._write)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        os.close(self._read)
        self._home.cleanup()

    def look(
        self, html: str, *, width: int = PHONE, dark: bool = False, to: Path | None = None, ask: str = "null"
    ) -> Look:
        """Render a page, measure it, and write its whole length as a PNG.

        Args:
            html: the page.
            width: of the window, in CSS pixels; up to 600 it counts as a phone's.
            dark: whether the reader's system is dark.
            to: the picture's file; None: no picture.
            ask: a JavaScript expression; its value is the look's ``answer``.
        """
        page = Path(self._home.name) / f"page-{next(self._numbers)}.html"
        page.write_text(html, encoding="utf-8")
        target = self._tell("Target.createTarget", url="about:blank")["targetId"]
        session = self._tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._events.clear()
        phone = width <= 600
        scheme = "dark" if dark else "light"
        for method, values in (
            ("Page.enable", {}),
            ("Network.enable", {}),
            (
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": 844, "deviceScaleFactor": 2 if phone else 1, "mobile": phone},
            ),
            ("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
            ("Page.navigate", {"url": page.as_uri()}),
        ):
            self._tell(method, session, **values)
        self._await("Page.loadEventFired")
        measured = self._value(session, _MEASURE.replace("WIDTH", str(width)))
        answer = self._value(session, ask)
        if to is not None:
            shot = self._tell("Page.captureScreenshot", session, captureBeyondViewport=True, format="png")
            to.write_bytes(base64.b64decode(shot["data"]))
        asked = [
            event["params"]["request"]["url"]
            for event in self._events
            if event["method"] == "Network.requestWillBeSent" and event["params"]["request"]["url"] != page.as_uri()
        ]
        self._tell("Target.closeTarget", targetId=target)
        return Look(**measured, asked=asked, answer=answer)

    def sheets(self, html: str) -> int:
        """Print a page as it asks to be printed, and return how many sheets that takes."""
        page = Path(self._home.name) / f"page-{next(self._numbers)}.html"
        page.write_text(html, encoding="utf-8")
        target = self._tell("Target.createTarget", url="about:blank")["targetId"]
        session = self._tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._events.clear()
        self._tell("Page.enable", session)
        self._tell("Page.navigate", session, url=page.as_uri())
        self._await("Page.loadEventFired")
        said = self._tell("Page.printToPDF", session, preferCSSPageSize=True, printBackground=True)
        self._tell("Target.closeTarget", targetId=target)
        return len(re.findall(rb"/Type */Page\b", base64.b64decode(said["data"])))

    def _value(self, session: str, expression: str) -> Any:
        said = self._tell("Runtime.evaluate", session, expression=expression, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def _tell(self, method: str, session: str = "", **values: Any) -> dict[str, Any]:
        """Give one command and return its answer; events that come meanwhile are kept."""
        number = next(self._numbers)
        command: dict[str, Any] = {"id": number, "method": method, "params": values}
        if session:
            command["sessionId"] = session
        os.write(self._write, json.dumps(command).encode() + b"\0")
        while True:
            message = self._hear(method)
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                result: dict[str, Any] = message["result"]
                return result
            self._events.append(message)

    def _await(self, event: str) -> None:
        while not any(one.get("method") == event for one in self._events):
            self._events.append(self._hear(event))

    def _hear(self, what: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"the browser said nothing to {what} for {PATIENCE:.0f} s"
            read = os.read(self._read, 1 << 20)
            assert read, f"the browser ended at {what}"
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message
