"""The console in Arabic: its pages are written from right to left, and show no word that the catalog translates."""

import re
from html import unescape
from http import HTTPStatus
from typing import Any

import polib
import pytest

from billing.actor import SUPERADMIN
from tests.console import client_of, create_user, place_orders
from tests.translations import CATALOG

pytestmark = pytest.mark.django_db

# The name of a campaign.
DATA = {"General"}
_HIDDEN = re.compile(r"<(script|style|template|pre|code|time)\b.*?</\1>|<!--.*?-->", re.DOTALL)
_ICONS = re.compile(r'<span class="material-symbols-outlined[^>]*>[^<]*</span>')
_SPOKEN = re.compile(r'\b(?:aria-label|placeholder|alt)="([^"]*)"')


def readable(page: str) -> list[str]:
    """Return the texts of a page that a reader sees or hears, without codes and times."""
    page = _ICONS.sub(" ", _HIDDEN.sub(" ", page))
    spoken = _SPOKEN.findall(page)
    return [unescape(text).strip() for text in (*re.split(r"<[^>]*>", page), *spoken) if text.strip()]


def test_pages_of_the_console_show_no_english_words() -> None:
    reader = client_of(create_user(SUPERADMIN))
    place_orders(1)
    pages = ["/admin/", "/admin/promos/promocode/add/", "/admin/promos/campaign/add/", "/admin/orders/plan/add/"]
    lists = ("promos/promocode", "promos/campaign", "orders/order", "orders/plan", "billing/customer")
    pages += [f"/admin/{name}/" for name in (*lists, "billing/ledgerentry", "billing/subscription", "promos/batch")]
    words = {entry.msgid for entry in polib.pofile(str(CATALOG)) if re.search(r"[A-Za-z]{3}", entry.msgid)}
    words -= {entry.msgid for entry in polib.pofile(str(CATALOG)) if entry.msgstr == entry.msgid}
    found: dict[str, str] = {}
    shown = 0
    for page in pages:
        answer: Any = reader.get(page, headers={"accept-language": "ar"})
        if answer.status_code == HTTPStatus.OK:
            shown += 1
            text = answer.content.decode()
            assert '<html lang="ar" dir="rtl"' in text, page
            found |= {each: page for each in readable(text) if each in words and each not in DATA}
    assert shown == len(pages)
    assert found == {}
