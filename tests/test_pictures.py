"""The browser of the tests sees what it is there to see: overflow, requests, the colour scheme."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pictures import Browser

_HEAD = '<!doctype html><meta name="viewport" content="width=device-width"><style>body{color:#111;background:#fff}'
_PAGE = _HEAD + "@media (prefers-color-scheme:dark){body{background:#000}}</style>"


@pytest.mark.parametrize("width", [390, 1100])
def test_what_reaches_beyond_the_window_is_told(browser: Browser, width: int) -> None:
    """An element wider than the window is named, and one that fits is not."""
    wide = browser.look(f'{_PAGE}<p id="wide" style="width:{width + 50}px">a</p><p>b</p>', width=width)
    assert wide.width > wide.window == width
    assert [one for one in wide.wide if 'id="wide"' in one] == wide.wide
    narrow = browser.look(f"{_PAGE}<p>b</p>", width=width)
    assert (narrow.width, narrow.wide) == (width, [])


def test_what_a_page_asks_for_is_told(browser: Browser, tmp_path: Path) -> None:
    """A picture from outside is asked for, and never had; the page's own picture is written."""
    to = tmp_path / "page.png"
    look = browser.look(f'{_PAGE}<img src="http://tracker.example/a.png">text', to=to)
    assert look.asked == ["http://tracker.example/a.png"]
    assert look.text == "text"
    assert to.read_bytes().startswith(b"\x89PNG")


def test_dark_is_dark(browser: Browser) -> None:
    """The page is told which colours the reader's system has."""
    light, dark = (browser.look(_PAGE, dark=dark, ask="1 + 1") for dark in (False, True))
    assert (light.background, dark.background) == ("rgb(255, 255, 255)", "rgb(0, 0, 0)")
    assert light.answer == 2
