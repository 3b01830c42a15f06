"""A page in headless Chromium, by its debugging protocol: what it shows, what its console says, and a picture of it."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_BROWSER = "there is no chromium, chromium-browser or google-chrome on the PATH"
_LIMIT_S = 60

T = TypeVar("T")


class Page:
    """An open tab.

    Attributes:
        complaints: warnings, errors and uncaught exceptions of the console, as text.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=_LIMIT_S)
            self._note(message)
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def evaluate(self, expression: str) -> Any:
        """Evaluate an expression of JavaScript in the page; a promise is waited for."""
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def open(self, address: str, ready: str) -> None:
        """Open an address and wait until an expression is true."""
        await self.call("Page.navigate", url=address)
        for _ in range(10 * _LIMIT_S):
            if await self.evaluate(f"document.documentElement !== null && ({ready})"):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{address}: {ready} did not come true in {_LIMIT_S} s; {self.complaints}")

    async def look(self, width: int, height: int = 900, dark: bool = False) -> None:
        """Set the size of the window and its colour scheme."""
        phone = width < 600
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        await self.call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self, path: Path) -> None:
        """Write a picture of the whole page."""
        result = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(result["data"]))

    def _note(self, message: dict[str, Any]) -> None:
        method, said = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(said["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.complaints.append(f"{said['type']}: {said['args']}")
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.complaints.append(str(said["entry"]))


class _Browser:
    """A browser with one tab; it ends with its context."""

    async def __aenter__(self) -> Page:
        self._stack = AsyncExitStack()
        profile = self._stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        assert CHROMIUM, NO_BROWSER
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--hide-scrollbars")
        self._process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            *options,
            f"--user-data-dir={profile}",
            "about:blank",
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert self._process.stderr
        while not (listening := re.search(rb"ws://(\S+?)/", await self._process.stderr.readline())):
            assert self._process.returncode is None, "the browser ended"
        self._drain = asyncio.create_task(self._process.stderr.read())
        session = await self._stack.enter_async_context(aiohttp.ClientSession())
        async with session.get(f"http://{listening[1].decode()}/json") as answer:
            tabs = await answer.json()
        address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        page = Page(await self._stack.enter_async_context(session.ws_connect(address, max_msg_size=0)))
        for domain in ("Page", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        return page

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        await self._process.wait()
        await self._drain
        await self._stack.aclose()


def browse(visit: Callable[[Page], Awaitable[T]]) -> T:
    """Start a browser, visit with its tab, and return what the visit returns."""

    async def run() -> T:
        async with _Browser() as page:
            return await visit(page)

    return asyncio.run(run())
