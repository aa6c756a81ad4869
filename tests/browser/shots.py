"""Takes screenshots of the pages that a test opens, where the variable `BROWSER_SHOTS` names a folder for them."""

import os
from itertools import product
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

SHOTS = os.environ.get("BROWSER_SHOTS", "")
_WIDTHS = (1280, 420)
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def shoot(page: Page, name: str) -> None:
    """Takes the page wide and narrow, light and dark, and leaves it as it was."""
    if not SHOTS:
        return
    before = page.viewport_size
    for width, scheme in product(_WIDTHS, _SCHEMES):
        page.set_viewport_size({"width": width, "height": 900})
        _choose_scheme(page, scheme)
        page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{scheme}.png", full_page=True)
    _choose_scheme(page, "light")
    if before:
        page.set_viewport_size(before)


def _choose_scheme(page: Page, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    # The console reads the browser's preference only when a page is loaded.
    page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", scheme == "dark")
