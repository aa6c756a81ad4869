"""The Sovereign's colours and logo: readable and harmless, or the service does not start."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from config.parts.branding import (
    DARK_GROUNDS,
    LIGHT_GROUNDS,
    contrast,
    least_contrast,
    lighten_for_dark,
    problem_of_color,
    problem_of_logo,
)
from tests.factories import PlanFactory, PromoCodeFactory

PAGES_CSS = Path(__file__).resolve().parents[2] / "billing/static/billing/pages.css"
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 3">'
    '<style>rect{fill:red}</style><rect width="9" height="3"/></svg>'
)


def test_the_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_grounds_are_those_of_the_pages() -> None:
    css = PAGES_CSS.read_text()
    for grounds, rules in zip(
        (LIGHT_GROUNDS, DARK_GROUNDS), css.split("@media (prefers-color-scheme: dark)")[:2], strict=True
    ):
        assert tuple(re.search(f"--{name}: (#[0-9a-f]{{6}})", rules)[1] for name in ("ground", "card")) == grounds  # type: ignore[index]


@pytest.mark.parametrize("color", ["#5b2bb5", "#000000", "#00563f", "#8a1538", "#0000ff"])
def test_the_shade_for_dark_pages_can_be_read(color: str) -> None:
    assert problem_of_color("BRAND_COLOR", color, LIGHT_GROUNDS) == ""
    assert least_contrast(lighten_for_dark(color), DARK_GROUNDS) >= 4.5


def test_a_colour_that_cannot_be_read_is_refused() -> None:
    assert problem_of_color("BRAND_COLOR", "#ffcc00", LIGHT_GROUNDS) == (
        "BRAND_COLOR has a contrast of 1.4 to 1 with the pages' background, and must have 4.5 to 1: "
        "choose a darker colour"
    )
    assert "lighter" in problem_of_color("BRAND_COLOR_DARK", "#5b2bb5", DARK_GROUNDS)


@pytest.mark.parametrize(
    "logo",
    [
        "a logo",
        "<svg/>",
        LOGO.replace("<rect", "<script>1</script><rect", 1),
        LOGO.replace("<rect", '<rect onclick="x()"', 1),
        LOGO.replace("<rect", '<a href="https://evil.example"/><rect', 1),
        LOGO.replace("<rect", '<image href="https://evil.example/a.png"/><rect', 1),
        '<!DOCTYPE svg [<!ENTITY a "a">]>' + LOGO,
        LOGO.replace("red", "r" * 50_000),
    ],
)
def test_a_logo_that_does_more_than_draw_is_refused(logo: str) -> None:
    assert problem_of_logo(logo).startswith("BRAND_LOGO must")
    assert problem_of_logo(LOGO) == ""


def test_the_pages_show_the_logo_and_the_colours(client: Client, settings: Any) -> None:
    for path in ("/accounts/brand.css", "/accounts/logo.svg"):
        assert client.get(path).status_code == 404
    settings.SOVEREIGN_NAME, settings.BRAND_LOGO = "Majan <Telecom>", LOGO
    settings.BRAND_COLOR, settings.BRAND_COLOR_DARK = "#00563f", "#55aa88"
    page = client.get("/redeem").content.decode()
    assert '<img class="logo" src="/accounts/logo.svg" alt="Majan &lt;Telecom&gt;">' in page
    assert page.index("pages.css") < page.index('href="/accounts/brand.css"')
    stylesheet = client.get("/accounts/brand.css")
    assert stylesheet.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "--accent: #00563f" in stylesheet.content.decode() and "--accent: #55aa88" in stylesheet.content.decode()
    logo = client.get("/accounts/logo.svg")
    assert (logo.content.decode(), logo.headers["Content-Type"]) == (LOGO, "image/svg+xml")
    assert logo.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("currency", "english", "arabic"),
    [("AED", "90.00 AED", "90.00"), ("JPY", "9,000 JPY", "9,000"), ("KWD", "9.000 KWD", "9.000")],
)
def test_the_pages_show_amounts_with_the_decimals_of_the_currency(
    client: Client, settings: Any, currency: str, english: str, arabic: str
) -> None:
    settings.SOVEREIGN_CURRENCY = currency
    PlanFactory.create(name="M", price_minor=9_000)
    PromoCodeFactory.create(code="CARD", credit_minor=9_000)
    for address in ("/shop", "/redeem?code=card"):
        assert english in client.get(address).content.decode()
        in_arabic = client.get(address, HTTP_ACCEPT_LANGUAGE="ar").content.decode()
        assert arabic in in_arabic and "OMR" not in in_arabic and "ر.ع" not in in_arabic
