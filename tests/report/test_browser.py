"""The page in a real browser, light and dark, on a desk and on a phone."""

from __future__ import annotations

import pytest

from harness.report.findings import Findings
from harness.report.page import write
from tests.helpers.browser import CHROMIUM, NO_BROWSER, Page, browse

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason=NO_BROWSER)]

DRAWN = "document.documentElement.dataset.drawn !== undefined"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_the_ratio_and_the_sentence_are_seen_and_the_console_is_silent(
    findings: Findings, width: int, dark: bool
) -> None:
    address = write(findings).as_uri()

    async def visit(page: Page) -> None:
        await page.look(width, dark=dark)
        await page.open(address, DRAWN)
        shown = await page.evaluate("document.body.innerText")
        assert "it takes 1.50 to 2.00 times" in shown and "1.50\N{EN DASH}2.00" in shown
        plots = await page.evaluate("[...document.querySelectorAll('.plot')].map(p => p.querySelector('svg') !== null)")
        assert plots and all(plots)
        texts = await page.evaluate("document.getElementById('ratio-0').textContent")
        assert "torch eager" in texts and "2.00" in texts
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
        ink = await page.evaluate("getComputedStyle(document.querySelector('#ratio-0 .xtick text')).fill")
        assert (ink == "rgb(231, 233, 236)") == dark
        assert page.complaints == []

    browse(visit)


def test_tables_are_reached_and_opened_with_the_keyboard_alone(findings: Findings) -> None:
    address = write(findings).as_uri()

    async def visit(page: Page) -> None:
        await page.open(address, DRAWN)
        for _ in range(40):
            await page.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
            if await page.evaluate("document.activeElement.tagName === 'SUMMARY'"):
                break
        for kind in ("keyDown", "keyUp"):
            enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
            await page.call("Input.dispatchKeyEvent", type=kind, **enter)
        assert await page.evaluate("document.activeElement.parentElement.open")

    browse(visit)
