"""Check a page with axe-core, in its light and its dark colours."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.page_checks import assert_sound

_AXE = Axe()
# The rule of WCAG 2.2 for the size of targets is off unless it is asked for.
ALL_RULES = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
# Colours decide nothing else.
COLOR_RULES = {"resultTypes": ["violations"], "runOnly": {"type": "rule", "values": ["color-contrast"]}}
MAX_PAGE_BYTES = 50_000


def assert_accessible(page: Page) -> None:
    """Assert that the page is sound and small, and that axe finds nothing in it."""
    assert_sound(page)
    assert len(page.content().encode()) < MAX_PAGE_BYTES
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        found = _AXE.run(page).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == [], (page.url, scheme)


def find_violations(page: Page, *, options: dict[str, Any], without: str = "") -> list[str]:
    """Returns what axe finds in the page as it is now. Args: without: the selector of a part that it leaves out."""
    context = {"exclude": [[without]]} if without else None
    found = _AXE.run(page, context=context, options=options).response["violations"]
    return [f"{each['id']}: {node['html'][:160]} {_details(node)}" for each in found for node in each["nodes"]]


def _details(node: dict[str, Any]) -> str:
    data = [each.get("data") for each in node.get("any", []) if isinstance(each.get("data"), dict)]
    return str({name: each.get(name) for each in data for name in ("fgColor", "bgColor", "contrastRatio")})
