"""The console's pages of card entries, closed months, posting rules and rates of VAT."""

import re
from datetime import date
from http import HTTPStatus

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.actor import AUDITOR, DEALER, SUPERADMIN
from billing.admin.console.display import amount
from billing.models import AuditEntry
from orders.models import ClosedMonth, PostingRule, VatRate
from orders.use_cases.books.close_month import close_month, next_month_to_close
from orders.use_cases.books.month import month_of
from orders.use_cases.books.roll_forward import roll_forward_of
from tests.console import client_of, create_user, form_errors, keep_books, place_orders
from tests.factories import actor

pytestmark = pytest.mark.django_db


def test_a_superadmin_closes_the_next_month_and_an_auditor_downloads_its_journal() -> None:
    month = next_month_to_close()
    add = reverse("admin:orders_closedmonth_add")
    client = client_of(create_user(SUPERADMIN))
    assert month.name in client.get(add).content.decode()
    client.submit(add, {"reason": "month end"})
    closed = ClosedMonth.objects.get()
    assert closed.name == month.name

    auditor = client_of(create_user(AUDITOR))
    page = reverse("admin:orders_closedmonth_change", args=[closed.pk])
    text = auditor.get(page).content.decode()
    assert closed.hash in text
    assert "Credit of all customers" in text
    answer = auditor.submit(reverse("admin:orders_closedmonth_journal", args=[closed.pk]), {"reason": "audit"})
    content = b"".join(answer.streaming_content).decode()
    assert content == "time,event,entry,order,account,cost_centre,debit,credit,currency\r\n"
    assert answer["Content-Disposition"] == f'attachment; filename="journal-{month.name}.csv"'
    exported = AuditEntry.objects.get(action="month.journal_exported")
    assert (exported.object_id, exported.reason) == (month.name, "audit")


def test_the_figures_of_the_open_month_stand_beside_the_closed_ones() -> None:
    place_orders(1)
    auditor = client_of(create_user(AUDITOR))
    months = reverse("admin:orders_closedmonth_changelist")
    current, before = month_of(timezone.now()), next_month_to_close()
    page, earlier = (reverse("admin:orders_closedmonth_open", args=[each.name]) for each in (current, before))
    assert f'href="{page}"' in auditor.get(months).content.decode()
    text = auditor.get(page).content.decode()
    for book in roll_forward_of(current):
        if book.name == "credit":
            assert book.closing_minor > 0
            assert str(amount(book.closing_minor)) in text and str(amount(book.lines["spent"], signed=True)) in text
    assert f'href="{earlier}"' in text
    closed = close_month(month=before, why="month end", by=actor())
    assert f'href="{earlier}"' not in auditor.get(page).content.decode()
    assert auditor.get(earlier)["Location"] == reverse("admin:orders_closedmonth_change", args=[closed.pk])


def test_a_month_that_has_not_begun_or_is_none_has_no_figures() -> None:
    auditor = client_of(create_user(AUDITOR))
    for name in (month_of(timezone.now()).next.name, "2026-13", "x"):
        assert auditor.get(reverse("admin:orders_closedmonth_open", args=[name])).status_code == HTTPStatus.NOT_FOUND
    page = reverse("admin:orders_closedmonth_open", args=[month_of(timezone.now()).name])
    assert auditor.post(page).status_code == HTTPStatus.FORBIDDEN
    assert client_of(create_user(DEALER)).get(page).status_code == HTTPStatus.FORBIDDEN


def test_finance_changes_a_rule_and_each_wrong_account_is_named() -> None:
    address = reverse("admin:orders_postingrule_change", args=["credit.expired"])
    client = client_of(create_user(SUPERADMIN))
    valid = {"debit": "2200", "credit": "4910", "vat": "", "cost_centre": "SME", "reason": "new chart"}
    for wrong in ({"debit": "=2200"}, {"vat": "2300"}, {"reason": " "}):
        assert form_errors(client.submit(address, {**valid, **wrong})).keys() >= wrong.keys()
    client.submit(address, valid)
    rule = PostingRule.objects.get(event="credit.expired")
    assert (rule.debit, rule.credit, rule.vat, rule.cost_centre) == ("2200", "4910", "", "SME")
    audit = AuditEntry.objects.get(action="posting_rule.changed")
    assert (audit.changes, audit.reason) == ({"credit": ["4900", "4910"], "cost_centre": ["", "SME"]}, "new chart")


def test_every_rule_of_the_list_opens() -> None:
    client = client_of(create_user(SUPERADMIN))
    listed = client.get(reverse("admin:orders_postingrule_changelist")).content.decode()
    pages = set(re.findall(r'href="(/admin/orders/postingrule/[^/"]+/change/)', listed))
    # Their keys are names, in which an address escapes the underscore.
    assert len(pages) == PostingRule.objects.count()
    assert {page: client.get(page).status_code for page in pages} == dict.fromkeys(pages, HTTPStatus.OK)


def test_a_rate_of_vat_begins_after_the_last_one_and_in_an_open_month() -> None:
    client = client_of(create_user(SUPERADMIN))
    address = reverse("admin:orders_vatrate_add")
    given = {"starts_on": "2021-04-16", "percent": "5.25", "reason": "the law"}
    client.submit(address, given)
    assert VatRate.objects.get().basis_points == 525
    assert form_errors(client.submit(address, given))
    close_month(month=next_month_to_close(), why="month end", by=actor())
    closed = ClosedMonth.objects.get().month
    assert form_errors(client.submit(address, {**given, "starts_on": str(closed)}))
    assert VatRate.objects.get().starts_on == date(2021, 4, 16)


def test_card_entries_are_found_by_order_and_by_object() -> None:
    place_orders(1)
    keep_books()
    client = client_of(create_user(AUDITOR))
    address = reverse("admin:orders_cardentry_changelist")
    for query, found in (("?q=cs_books", True), ("?q=cs_other", False), ("?kind__exact=refund", False)):
        answer = client.get(address + query)
        assert answer.status_code == HTTPStatus.OK
        assert ("0.010 OMR" in answer.content.decode()) == found
