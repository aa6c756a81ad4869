"""Every form of the console takes effect once, however often and however fast it is sent."""

import re
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib import admin
from django.urls import NoReverseMatch, URLPattern, URLResolver
from django.utils import timezone

from billing.actor import SUPERADMIN
from billing.models import FormSubmission
from billing.use_cases.ledger.verify_ledger import verify_ledger
from tests.concurrency.console_forms import FORMS, WHY, page, records
from tests.concurrency.threads import ThreadGroup
from tests.console import Browser, client_of, create_user, shown_messages

pytestmark = pytest.mark.django_db(transaction=True)

CLICKS = 4
REPEATED = "This was done already, and was not done again: "
# Closing an order calls Stripe (tests/payments/reconciliation/test_lost_payments.py sends it twice); a merge has two
# steps (tests/orders/admin/test_admin_merge.py). Codes may be read repeatedly, and each time is audited
# (tests/promos/cards/test_admin_batches.py). So may the ledger, and a webhook's secret; a test of a webhook calls
# its endpoint (tests/orders/webhooks/test_admin_webhooks.py).
ELSEWHERE = {
    "orders_order_close",
    "billing_customer_merge",
    "billing_ledgerentry_export",
    "billing_ledgerhead_evidence",
    "promos_batch_download",
    "orders_closedmonth_journal",
    "promos_batch_export",
    "promos_batch_sheets",
    "orders_webhookendpoint_secret",
    "orders_webhookendpoint_test",
}

# Files that a page offers without a form.
DOWNLOADS = {"orders_document_pdf"}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_sent_many_times_at_once_takes_effect_once(name: str) -> None:
    form = FORMS[name]()
    staff = create_user(SUPERADMIN)
    browsers = [client_of(staff) for _ in range(CLICKS)]
    query = {"id": form.inputs["id"]} if "id" in form.inputs else {}
    sent = {"reason": WHY, **form.inputs, "form_token": browsers[0].token_of(form.address, query)}
    rows, submissions = form.made._default_manager.count(), FormSubmission.objects.count()
    with ThreadGroup(CLICKS) as threads:
        answers = threads.race([partial(send, browser, form.address, sent) for browser in browsers]).values
    assert {status for status, _ in answers} == {HTTPStatus.FOUND}, answers
    repeated = [texts for _, texts in answers if any(text.startswith(REPEATED) for text in texts)]
    assert len(repeated) == CLICKS - 1
    assert form.made._default_manager.count() == rows + 1
    assert FormSubmission.objects.count() == submissions + 1
    assert verify_ledger().sound


@pytest.mark.parametrize("name", FORMS)
def test_a_form_sent_again_by_the_back_button_takes_no_effect(name: str) -> None:
    form = FORMS[name]()
    browser = client_of(create_user(SUPERADMIN))
    query = {"id": form.inputs["id"]} if "id" in form.inputs else {}
    sent = {"reason": WHY, **form.inputs, "form_token": browser.token_of(form.address, query)}
    first = browser.post(form.address, sent)
    assert first.status_code == HTTPStatus.FOUND, first.context["adminform"].form.errors
    rows = form.made._default_manager.count()
    status, texts = send(browser, form.address, sent)
    assert (status, texts[-1][: len(REPEATED)]) == (HTTPStatus.FOUND, REPEATED)
    assert form.made._default_manager.count() == rows


@pytest.mark.parametrize("name", FORMS)
def test_a_form_without_its_token_takes_no_effect(name: str) -> None:
    form = FORMS[name]()
    browser = client_of(create_user(SUPERADMIN))
    rows = form.made._default_manager.count()
    answer = browser.post(form.address, {"reason": WHY, **form.inputs})
    followed = browser.get(answer.headers["Location"]) if answer.status_code == HTTPStatus.FOUND else answer
    assert "his form is no longer valid: open the page again." in followed.content.decode()
    assert (form.made._default_manager.count(), FormSubmission.objects.count()) == (rows, 0)


def send(browser: Browser, address: str, sent: dict[str, Any]) -> tuple[int, list[str]]:
    answer = browser.post(address, sent)
    return answer.status_code, shown_messages(answer)


# --- Which forms there are --------------------------------------------------------------------------------------

# Forms that change nothing that staff see: signing in and out, one's own password, and the choice of rows in a list.
DJANGOS_OWN = ("_changelist", "_add", "_change", "_delete", "_history")
NO_PAGE = {"jsi18n", "app_list", "search", "view_on_site"}
NO_TOKEN = {"login", "logout", "password_change"}


# The parts of addresses that are not a record's key.
PARTS = {"orders_order_mail": ["invited", "en"], "orders_closedmonth_open": [f"{timezone.now():%Y-%m}"]}


def named_pages(patterns: list[Any]) -> Iterator[URLPattern]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from named_pages(each.url_patterns)
        elif each.name:
            yield each


def test_every_form_of_the_console_is_tested_above_and_has_a_token() -> None:
    keys = records()
    queries = {"billing_ledgerentry_explain": {"order": str(keys["orders_order"])}}
    browser = client_of(create_user(SUPERADMIN))
    tokens, missing, unseen = set(), set(), set()
    for pattern in named_pages(admin.site.get_urls()):
        name = str(pattern.name)
        model = name.rsplit("_", 1)[0]
        key = keys.get("billing_user" if name == "auth_user_password_change" else model, "0")
        try:
            has_key = pattern.pattern.converters or "(?P<" in str(pattern.pattern)
            address = page(name, *PARTS.get(name, [key] if has_key else []))
        except NoReverseMatch:
            unseen |= set() if name.endswith(DJANGOS_OWN) else {name}
            continue
        answer = browser.get(address, queries.get(name, {"id": str(key)} if model == "promos_promocode" else {}))
        if answer.status_code == HTTPStatus.NOT_FOUND and not name.endswith(DJANGOS_OWN):
            unseen.add(name)
        found = answer.getvalue().decode()
        for text in re.findall(r'<form[^>]*method="post".*?</form>', found, re.DOTALL):
            # An input without the console's classes has no border, so that nobody sees it.
            assert not re.search(r'<input type="(text|number|email)"(?![^>]*class=)', text), name
            if 'name="form_token"' in text:
                tokens.add(name)
            elif not ('id="logout-form"' in text or 'id="changelist-form"' in text or name in NO_TOKEN):
                missing.add(name)
    assert (missing, unseen - NO_PAGE - DOWNLOADS) == (set(), set())
    assert tokens == {name.partition(",")[0] for name in FORMS} | ELSEWHERE
