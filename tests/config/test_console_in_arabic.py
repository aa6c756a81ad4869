"""The console in Arabic: its pages are written from right to left, and show no word that the catalog translates."""

import ast
import inspect
import re
import sys
from html import unescape
from http import HTTPStatus
from typing import Any

import polib
import pytest
from django.urls import reverse
from django.utils import translation

from billing.actor import SUPERADMIN
from billing.admin.audit_words import ACTIONS
from billing.stored_words import say_stored
from billing.use_cases.proposals.kinds import kinds
from tests.console import client_of, create_one_of_each, create_user, place_orders
from tests.refusal_sentences import FOLDERS, PROJECT
from tests.translations import CATALOG

pytestmark = pytest.mark.django_db

# The name of a campaign, and of the member of staff who reads.
DATA = {"General", SUPERADMIN}
# What the pages of records show in Latin letters, and does not have to be translated.
NO_ENGLISH = {
    # Names, addresses and references of the records, and the reasons that their makers gave.
    *("Addon-", "App-", "Bundle-", "CODE-", "General", "INV-", "Industry-", "Mall", "Muscat", "PLAN-", "SHOPS-"),
    *("Sovereign", "Tenant-", "ada", "addon-", "app-", "bundle-", "cms", "com", "customer-", "example", "hooks"),
    *("https", "industry-", "noor", "org", "outage", "outage-", "person-", "plan-", "proposer", "salma", "sara"),
    *("shop", "shops", "sub-", "superadmin", "tenant-"),
    *("May", "agreed", "allocate", "end", "event", "for", "has", "month", "new", "print", "printer", "the", "type"),
    # Types of events.
    *("app", "created", "deleted", "events", "install", "order", "placed", "provision", "requested", "sme"),
    *("tenant", "uninstall"),
    # Products, formats and units.
    *("CSV", "OMR", "PDF", "SHA-", "Stripe", "UTC", "vCPU", "webhook"),
    # Icons, scripts and keys of the theme.
    *("activity", "arrow", "cancel", "circle", "down", "esc", "localStorage", "logout", "progress", "reliability"),
    *("search", "setItem", "sidebarDesktopOpen", "value"),
}
_HIDDEN = re.compile(r"<(script|style|template|pre|code|time)\b.*?</\1>|<!--.*?-->", re.DOTALL)
_ICONS = re.compile(r'<span class="material-symbols-outlined[^>]*>[^<]*</span>')
AUDITED = re.compile(r'action="([a-z_]+\.[a-z_]+)"')
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


def test_every_action_of_the_audit_trail_is_in_arabic() -> None:
    found = {
        action.replace("promo_code", "voucher").replace(".", " ").replace("_", " ")
        for folder in FOLDERS
        for path in (PROJECT / folder).rglob("*.py")
        for action in AUDITED.findall(path.read_text())
    }
    assert len(found) > 40
    assert found - ACTIONS == set()
    with translation.override("ar"):
        assert {action for action in ACTIONS if translation.gettext(action) == action} == set()


@pytest.mark.parametrize("name", kinds())
def test_what_a_proposal_keeps_is_in_arabic(name: str) -> None:
    module = ast.parse(inspect.getsource(sys.modules[kinds()[name].run.__module__]))
    sentences = [
        "".join(str(each.value) if isinstance(each, ast.Constant) else "7" for each in node.values)
        for function in ast.walk(module)
        if isinstance(function, ast.FunctionDef) and function.name in ("_describe", "_run")
        for node in ast.walk(function)
        if isinstance(node, ast.JoinedStr)
    ]
    # A part of a sentence, such as a name, has no words of its own.
    sentences = [each for each in sentences if re.search(r"[A-Za-z]{3}", each)]
    with translation.override("ar"):
        assert [each for each in sentences if say_stored(each) == each] == []


_LATIN = re.compile(r"[A-Za-z][A-Za-z-]{2,}")
# A part of an id.
_ID = re.compile("[a-f-]+")
# Marks that `say` sets around a value in a sentence: a name, a code or an amount.
_VALUE = re.compile("\u2068[^\u2069]*\u2069")


def test_no_page_of_a_record_shows_an_english_word() -> None:
    reader = client_of(create_user(SUPERADMIN))
    found: dict[str, str] = {}
    for name, key in create_one_of_each().items():
        pages = [reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_change", args=[key])]
        # It says what is in the way of a deletion.
        pages += [reverse("admin:billing_customer_erase", args=[key])] if name == "billing_customer" else []
        # Much of it is Django's own, whose catalog lacks a part.
        pages += [reverse("admin:billing_user_add")] if name == "billing_user" else []
        for page in pages:
            answer: Any = reader.get(page, headers={"accept-language": "ar"})
            assert answer.status_code == HTTPStatus.OK
            text = " ".join(_VALUE.sub(" ", each) for each in readable(answer.content.decode()))
            found |= {
                word: page for word in _LATIN.findall(text) if word not in NO_ENGLISH and not _ID.fullmatch(word)
            }
    assert found == {}
