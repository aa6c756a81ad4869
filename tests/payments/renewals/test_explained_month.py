"""A month that Stripe charges is explained by its card payment, and the first month by its order."""

from uuid import uuid4

import pytest
from django.urls import reverse

from billing.actor import AUDITOR
from billing.models import AuditEntry, Invoice
from orders.errors import InvoiceNotFound
from orders.use_cases.ledger.explain import ExplainedOrder, explain_month
from tests.console import client_of, create_user
from tests.contract.api_client import by_token
from tests.payments.buyer import APPLIED_MINOR, CHARGED_MINOR, buy
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)

EXPLAIN = "billing/admin/explain"


def card_of(explained: ExplainedOrder) -> list[tuple[str, int]]:
    return [(entry.kind, entry.amount_minor) for entry in explained.card]


def test_each_month_is_explained_by_what_paid_it(stripe: Stripe) -> None:
    _, order_id = buy(stripe)
    run_until_idle(stripe)
    stripe.do("clock", everything=True, months=1)
    run_until_idle(stripe)
    first, month = Invoice.objects.order_by("period_start")

    of_first, of_month = explain_month(first.pk), explain_month(month.pk)
    assert (of_first.order.pk, of_first.month, card_of(of_first)) == (order_id, None, [("payment", CHARGED_MINOR)])
    assert (of_first.credit_minor, of_first.due_by_card_minor) == (APPLIED_MINOR, CHARGED_MINOR)
    assert (of_month.order.pk, of_month.month, of_month.sources) == (order_id, month, ())
    assert card_of(of_month) == [("payment", month.amount_minor)]
    assert of_month.total_minor == of_month.due_by_card_minor == month.amount_minor
    assert [entry.stripe_object_id for entry in of_month.card] == [month.stripe_invoice_id]
    with pytest.raises(InvoiceNotFound):
        explain_month(uuid4())


def test_readers_of_the_ledger_see_it_on_a_page_over_the_api_and_as_a_file(stripe: Stripe) -> None:
    _, order_id = buy(stripe)
    run_until_idle(stripe)
    stripe.do("clock", everything=True, months=1)
    run_until_idle(stripe)
    month = Invoice.objects.latest("period_start")
    auditor = client_of(create_user(AUDITOR))
    page = reverse("admin:billing_ledgerentry_explain")
    assert (
        f"{page}?invoice={month.pk}"
        in auditor.get(reverse("admin:billing_invoice_change", args=[month.pk])).content.decode()
    )
    shown = auditor.get(page, {"invoice": str(month.pk)}).content.decode()
    assert "What paid this month" in shown
    assert month.stripe_invoice_id in shown
    for wrong in ("x", str(uuid4())):
        assert auditor.get(page, {"invoice": wrong}).status_code == 404

    reader = by_token(AUDITOR)
    body = reader.get(f"{EXPLAIN}?invoice_id={month.pk}").body
    assert (body["invoice_id"], body["order_id"]) == (str(month.pk), str(order_id))
    assert (body["sources"], body["total_minor"]) == ([], month.amount_minor)
    [paid] = body["card"]
    assert (paid["kind"], paid["amount_minor"]) == ("payment", month.amount_minor)
    assert paid["stripe_object_id"] == month.stripe_invoice_id
    assert reader.get(f"{EXPLAIN}?invoice_id={uuid4()}").code == "invoice_not_found"
    assert reader.get(f"{EXPLAIN}?invoice_id={month.pk}&order_id={order_id}").status == 400
    assert reader.get(f"{EXPLAIN}/pdf?invoice_id={month.pk}").content.startswith(b"%PDF-")
    assert AuditEntry.objects.filter(action="order.explanation_exported", object_id=str(order_id)).count() == 1
