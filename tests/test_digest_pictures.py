"""The digest as it looks, in a phone and on a desk, light and dark: pictures to look at, and what must hold in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from responder.core.digest import make_digest
from responder.core.digest_pages import digest_html
from responder.core.digest_words import make_page
from tests.core.mornings import MONDAY, crowd, filed, full_morning, morning, rules
from tests.pictures import DESK, PHONE, picture_folder

if TYPE_CHECKING:
    from pathlib import Path

    from responder.core.model import Policy
    from responder.core.morning_rows import Morning
    from tests.pictures import Browser

#: The smallest letters, the smallest button, the lowest contrast of a text with its ground (WCAG 2.2: 4.5).
_ASK = """(() => {
  const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => { x /= 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
  const ground = light(getComputedStyle(document.querySelector('.back')).backgroundColor);
  const texts = [...document.querySelectorAll('body *')].filter(e => [...e.childNodes].some(
    n => n.nodeType === 3 && n.textContent.trim()));
  const contrast = e => { const ink = light(getComputedStyle(e).color);
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05); };
  return {
    contrast: Math.min(...texts.map(contrast)),
    letters: Math.min(...texts.map(e => parseFloat(getComputedStyle(e).fontSize))),
    button: Math.min(...[...document.querySelectorAll('a')].map(e => e.getBoundingClientRect().height)),
    sheet: document.querySelector('.sheet').getBoundingClientRect().width,
    links: [...document.querySelectorAll('a')].map(e => e.getAttribute('href')),
  };
})()"""


def _html(made: Policy, waiting: Morning) -> str:
    digest = make_digest(made, waiting, MONDAY)
    assert digest is not None
    return digest_html(make_page(made, digest))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("language", ["ru", "en"])
def test_it_fits_and_reads(browser: Browser, tmp_path: Path, language: str, width: int, dark: bool) -> None:  # noqa: FBT001
    """Nothing reaches beyond the window, nothing is asked for, every text stands out from its ground."""
    made = rules(language)
    shade = "dark" if dark else "light"
    to = picture_folder(tmp_path) / f"digest-{language}-{width}-{shade}.png"
    look = browser.look(_html(made, full_morning(made)), width=width, dark=dark, to=to, ask=_ASK)
    assert (look.width, look.wide, look.asked, look.scripts) == (width, [], [], 0)
    assert look.background == ("rgb(20, 22, 26)" if dark else "rgb(255, 255, 255)")
    assert look.answer["contrast"] >= 4.5
    assert look.answer["letters"] >= 13
    assert look.answer["button"] >= 24  # WCAG 2.2, success criterion 2.5.8
    assert look.answer["sheet"] == min(width, 640)
    assert all(link.startswith("tel:+") for link in look.answer["links"])
    assert to.stat().st_size > 10_000


def test_a_crowd_fits_a_phone(browser: Browser, tmp_path: Path) -> None:
    """Two hundred clients: still one column, each in a few lines."""
    look = browser.look(_html(*crowd(200)), to=picture_folder(tmp_path) / "digest-crowd.png")
    assert (look.width, look.wide) == (PHONE, [])
    assert look.height < 200 * 130


def test_without_its_style_sheet_it_still_reads(browser: Browser, tmp_path: Path) -> None:
    """A mail program that takes the sheet away leaves one column that fits, in colours that read."""
    made = rules()
    bare = re.sub(r"<style>.*?</style>", "", _html(made, full_morning(made)), flags=re.DOTALL)
    look = browser.look(bare, to=picture_folder(tmp_path) / "digest-bare.png", ask=_ASK)
    assert (look.width, look.wide) == (PHONE, [])
    assert look.answer["contrast"] >= 4.5


def test_words_without_end_are_broken(browser: Browser, tmp_path: Path) -> None:
    """A subject of a hundred letters in a row, and a name like it, push nothing out of the window."""
    made = rules("en")
    waiting = morning(
        filed(made, "2026-11-30", subject="W" * 120, topic="T" * 60, address=f"{'a' * 60}@{'b' * 60}.example"),
        filed(made, "2026-11-30", "gone" + "g" * 50, subject="x"),
    )
    look = browser.look(_html(made, waiting), width=320, to=picture_folder(tmp_path) / "digest-long.png")
    assert (look.width, look.wide) == (320, [])
