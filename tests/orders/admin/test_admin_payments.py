"""Card payments in the console: who may read, refund and close breaks, and what each page shows."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.actor import APPROVER, AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN, system_actor
from billing.models import AuditEntry, Customer, LedgerEntry, Organization, Proposal
from billing.money import format_money
from billing.queries import balance_of
from billing.use_cases.proposals.decide import approve_proposal
from config.parts.approvals import approval_limits
from orders.models import Break, CardEntry, Order, Payment, Refund, StripeEvent
from orders.use_cases.payments.request_refund import refund_or_propose, request_refund
from orders.use_cases.reconciliation.record_break import record_break
from tests.console import Browser, client_of, create_user, form_errors
from tests.factories import actor, give_credit
from tests.orders.conftest import Buy
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

READERS = (SUPERADMIN, AUDITOR)


@pytest.fixture
def paid(ada: Customer, acme: Organization) -> Payment:
    """A payment of 9.000 by card, without credit."""
    now = timezone.now()
    order = Order.objects.create(
        customer=ada,
        organization=acme,
        plan_id=UUID(int=1),
        total_minor=9_000,
        currency="OMR",
        status=Order.Status.COMPLETED,
        placed_by="ada",
        placed_by_role="customer",
        channel="api",
        completed_at=now,
    )
    return Payment.objects.create(
        order=order,
        status=Payment.Status.PAID,
        amount_minor=9_000,
        currency="OMR",
        leased_until=now,
        expires_at=now + timedelta(hours=2),
        session_id="cs_test_1",
        payment_intent_id="pi_1",
        paid_at=now,
    )


def pages(payment: Payment) -> list[str]:
    refund = request_refund(
        order=payment.order, card_minor=1_000, reason="asked for", by=system_actor(channel="command")
    )
    event = StripeEvent.objects.create(
        id="evt_1", type="invoice.paid", payload={"id": "evt_1"}, occurred_at=timezone.now()
    )
    found = record_break(kind=Break.Kind.DISPUTE, object_id="dp_1", order_id=payment.order_id)
    keys = {"payment": payment.pk, "refund": refund.pk, "stripeevent": event.pk, "break": found.pk}
    return [
        *(reverse(f"admin:orders_{name}_changelist") for name in keys),
        *(reverse(f"admin:orders_{name}_change", args=[key]) for name, key in keys.items()),
    ]


@pytest.mark.parametrize("role", [SUPERADMIN, AUDITOR, SOVEREIGN_ADMIN])
def test_auditors_and_superadmins_read_card_payments(paid: Payment, role: str) -> None:
    addresses = pages(paid)
    client = client_of(create_user(role))
    expected = HTTPStatus.OK if role in READERS else HTTPStatus.FORBIDDEN
    with nothing_changes():
        assert {address: client.get(address).status_code for address in addresses} == dict.fromkeys(
            addresses, expected
        )


@pytest.mark.parametrize("role", [SUPERADMIN, AUDITOR, SOVEREIGN_ADMIN])
def test_no_role_can_edit_a_payment(paid: Payment, role: str) -> None:
    client = client_of(create_user(role))
    with nothing_changes():
        for verb, args in (("add", []), ("change", [paid.pk]), ("delete", [paid.pk])):
            address = reverse(f"admin:orders_payment_{verb}", args=args)
            assert client.submit(address, {"post": "yes"}).status_code == HTTPStatus.FORBIDDEN


def test_a_superadmin_closes_a_break_with_a_reason(client: Browser) -> None:
    found = record_break(kind=Break.Kind.DISPUTE, object_id="dp_1")
    address = reverse("admin:orders_break_close", args=[found.pk])
    staff = create_user(SUPERADMIN)
    assert client_of(create_user(AUDITOR)).submit(address, {"reason": "no"}).status_code == HTTPStatus.FORBIDDEN
    assert client_of(staff).submit(address, {"reason": "  "}).status_code == HTTPStatus.OK
    assert Break.objects.get().closed_at is None
    client_of(staff).submit(address, {"reason": "answered at Stripe"})
    closed = Break.objects.get()
    assert closed.closed_at is not None
    assert closed.closed_by == staff.sub
    audit = AuditEntry.objects.get(action="break.closed")
    assert (audit.actor_id, audit.reason) == (staff.sub, "answered at Stripe")


@pytest.mark.parametrize(
    ("kind", "details", "texts"),
    [
        ("amount_differs", {"requested": 9_000, "paid": 8_990, "currency": "omr"}, ["9.000 OMR", "8.990 OMR"]),
        ("other_currency", {"requested": 9_000, "paid": 2_599, "currency": "usd"}, ["9.000 OMR", "25.99 USD", "usd"]),
        ("dispute", {"amount": 6_660, "currency": "omr", "reason": "not_received"}, ["6.660 OMR", "not received"]),
        ("refund_differs", {"stripe": 5_000, "ours": 4_000}, ["5.000 OMR", "4.000 OMR"]),
        ("session_state_differs", {"stripe": "complete paid", "ours": "open"}, ["complete paid", "open"]),
    ],
)
def test_a_break_shows_amounts_with_their_currency(
    client: Browser, kind: str, details: dict[str, object], texts: list[str]
) -> None:
    found = record_break(kind=Break.Kind(kind), object_id="cs_test_a1b2c3d4e5f6g7h8", details=details)
    reader = client_of(create_user(AUDITOR))
    page = reader.get(reverse("admin:orders_break_change", args=[found.pk])).content.decode()
    for text in texts:
        assert f">{text}<" in page.replace("\n", "").replace("  ", ""), text
    listed = reader.get(reverse("admin:orders_break_changelist")).content.decode()
    assert 'title="cs_test_a1b2c3d4e5f6g7h8">cs_test_…e5f6g7h8<' in listed
    assert kind.replace("_", " ").capitalize() in listed


@pytest.mark.parametrize("kind", Break.Kind)
def test_every_kind_of_break_explains_itself(kind: Break.Kind) -> None:
    found = record_break(kind=kind, object_id="some_1", details={"stripe": 1})
    page = client_of(create_user(AUDITOR)).get(reverse("admin:orders_break_change", args=[found.pk])).content.decode()
    assert "What it means" in page
    assert kind.replace("_", " ").capitalize() in page


def test_a_superadmin_refunds_a_part_to_the_card(paid: Payment) -> None:
    address = reverse("admin:orders_order_refund", args=[paid.order_id])
    staff = client_of(create_user(SUPERADMIN))
    staff.submit(address, {"card": "1.250", "reason": "too slow"})
    refund = Refund.objects.get()
    assert (refund.amount_minor, refund.status, refund.reason) == (1_250, "requested", "too slow")


def test_a_refund_of_a_disputed_payment_warns(paid: Payment) -> None:
    page = reverse("admin:orders_order_refund", args=[paid.order_id])
    staff = client_of(create_user(SUPERADMIN))
    assert "Disputed by the bank" not in staff.get(page).content.decode()
    for kind, minor, warns in (("dispute", -4_000, True), ("dispute_won", 4_000, False)):
        CardEntry.objects.create(
            kind=kind, amount_minor=minor, currency="OMR", order_id=paid.order_id, stripe_object_id="dp_1"
        )
        shown = staff.get(page).content.decode()
        assert ("Disputed by the bank" in shown) == ("give it back twice" in shown) == warns


@pytest.mark.parametrize(
    "sent",
    [
        {"card": "9.001", "reason": "too much"},
        {"card": "0", "reason": "nothing"},
        {"card": "-1", "reason": "negative"},
        {"card": "1.2345", "reason": "too exact"},
        {"card": "NaN", "reason": "no number"},
        {"card": "1", "reason": ""},
    ],
)
def test_an_invalid_refund_is_refused_and_changes_nothing(paid: Payment, sent: dict[str, str]) -> None:
    address = reverse("admin:orders_order_refund", args=[paid.order_id])
    staff = client_of(create_user(SUPERADMIN))
    with nothing_changes():
        assert staff.submit(address, sent).status_code == HTTPStatus.OK


def test_a_refund_of_an_order_paid_by_credit_returns_the_credit(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 50_000)
    placed = buy("m")
    before = placed.balance_minor
    staff = client_of(create_user(SUPERADMIN))
    staff.submit(reverse("admin:orders_order_refund", args=[placed.order_id]), {"reason": "not delivered"})
    order = Order.objects.get(id=placed.order_id)
    assert order.status == Order.Status.REFUNDED
    assert balance_of(user_id="ada").credit_minor == before + order.total_minor


def test_a_refund_above_the_limit_is_proposed_and_sent_once_approved(paid: Payment, settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["refund=5000"])
    address, staff = reverse("admin:orders_order_refund", args=[paid.order_id]), client_of(create_user(SUPERADMIN))
    with only_changes("billing_proposal", "billing_auditentry"):
        staff.submit(address, {"card": "5.010", "reason": "too slow"})
    proposal = Proposal.objects.get()
    assert proposal.changes == [
        ["Refunded to the card", "0.000 OMR", "5.010 OMR"],
        ["Returned to the credit", "0.000 OMR", "0.000 OMR"],
    ]
    approve_proposal(proposal_id=proposal.pk, by=actor(APPROVER, user_id="amal"))
    assert Refund.objects.get().amount_minor == 5_010


def test_parts_of_a_refund_are_no_way_around_the_limit(paid: Payment, settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["refund=5000"])
    Payment.objects.filter(pk=paid.pk).update(refunded_minor=1_000)
    first = refund_or_propose(order_id=paid.order_id, card_minor=4_010, why="a part", by=actor())
    assert first.proposal is not None
    Payment.objects.filter(pk=paid.pk).update(refunded_minor=1_010)
    approved = approve_proposal(proposal_id=first.proposal.pk, by=actor(APPROVER, user_id="amal"))
    assert approved.status == "failed"
    sent = refund_or_propose(order_id=paid.order_id, card_minor=3_990, why="a part", by=actor())
    assert sent.result is not None


def test_a_proposed_refund_names_the_credit_and_the_end_of_the_order(buy: Buy, ada: Customer, settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["refund=0"])
    give_credit(ada, 50_000)
    placed = buy("m")
    outcome = refund_or_propose(order_id=placed.order_id, card_minor=None, why="not delivered", by=actor())
    assert outcome.proposal is not None
    total = format_money(Order.objects.get(id=placed.order_id).total_minor, currency="OMR")
    assert ["Returned to the credit", "0.000 OMR", total] in outcome.proposal.changes
    assert ["Order", "Completed", "Refunded"] in outcome.proposal.changes
    approve_proposal(proposal_id=outcome.proposal.pk, by=actor(APPROVER, user_id="amal"))
    assert Order.objects.get(id=placed.order_id).status == Order.Status.REFUNDED


def test_money_moves_only_by_a_confirmed_form(paid: Payment, ada: Customer) -> None:
    give_credit(ada, 5_000)
    entry = LedgerEntry.objects.latest("pk")
    found = record_break(kind=Break.Kind.DISPUTE, object_id="dp_1")
    staff = client_of(create_user(SUPERADMIN), enforce_csrf_checks=True)
    for name, key in (
        ("orders_order_refund", paid.order_id),
        ("orders_break_close", found.pk),
        ("billing_customer_adjust", ada.pk),
        ("billing_ledgerentry_reverse", entry.pk),
    ):
        address = reverse(f"admin:{name}", args=[key])
        with nothing_changes():
            page = staff.get(address, {"reason": "by a link", "confirmed": "yes"}).content.decode()
            assert '<form method="post"' in page and "csrfmiddlewaretoken" in page
            assert staff.submit(address, {"reason": "forged"}).status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("role", [AUDITOR, SOVEREIGN_ADMIN])
def test_only_a_superadmin_refunds(paid: Payment, role: str) -> None:
    address = reverse("admin:orders_order_refund", args=[paid.order_id])
    client = client_of(create_user(role))
    with nothing_changes():
        assert client.get(address).status_code == HTTPStatus.FORBIDDEN
        assert client.submit(address, {"reason": "mine"}).status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("amount", "sentence"),
    [
        ("1.234", "This amount cannot be refunded to a card: the nearest is 1.230 OMR or 1.240 OMR."),
        ("0.001", "This amount cannot be refunded to a card: the nearest is 0.010 OMR."),
        ("8.999", "This amount cannot be refunded to a card: the nearest is 8.990 OMR or 9.000 OMR."),
        ("9.010", "Enter an amount of more than zero, and at most what is left on the card."),
    ],
)
def test_a_refund_that_stripe_cannot_make_is_refused_with_the_nearest(
    paid: Payment, amount: str, sentence: str
) -> None:
    browser = client_of(create_user(SUPERADMIN))
    with nothing_changes():
        answer = browser.submit(reverse("admin:orders_order_refund", args=[paid.pk]), {"card": amount, "reason": "x"})
    assert form_errors(answer) == {"card": [sentence]}


def test_a_refunded_order_says_that_it_is_refunded(paid: Payment) -> None:
    Order.objects.filter(pk=paid.pk).update(status=Order.Status.REFUNDED)
    browser = client_of(create_user(SUPERADMIN))
    with nothing_changes():
        answer = browser.submit(reverse("admin:orders_order_refund", args=[paid.pk]), {"reason": "x"})
    assert form_errors(answer) == {"__all__": ["This order is refunded already."]}
