"""Writes to a customer: plain text, from what is true when it is sent, without a key, a card or a token in it.

A letter that has been overtaken, such as a reminder of a month that was paid meanwhile, is not sent.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from billing.models import Customer, Invoice, LedgerEntry, Organization, Subscription
from billing.money import format_money
from billing.queries import balance_of
from orders.models import Order, Payment, StripeEvent
from orders.use_cases.mail.queue_mail import Mail

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """To whom, about which organization, and what its template is given."""

    customer: Customer
    organization: Organization
    facts: dict[str, Any] = field(default_factory=dict)


def send_mail(*, mail: Mail, subject_id: UUID, event_id: str = "", reference: str = "") -> bool:
    """Sends one letter; False where there is nobody to write to, or nothing to say any more.

    Args: subject_id: see `queue_mail`. reference: the same on every try, from which the Message-ID is made.
    Raises: what the mail server fails with; the job then tries again. Transaction: none.
    """
    letter = _LETTERS[mail](subject_id, event_id)
    if letter is None:
        logger.info("mail_overtaken", mail=mail.value, subject_id=str(subject_id))
        return False
    if not letter.customer.email:
        logger.warning("mail_without_address", mail=mail.value, customer_id=letter.customer.user_id)
        return False
    if settings.EMAIL_BACKEND.endswith("dummy.EmailBackend"):
        logger.warning("mail_not_configured", mail=mail.value, customer_id=letter.customer.user_id)
        return False
    subject, _, body = render_to_string(
        f"mail/{mail.value}.txt",
        {"sovereign": settings.SOVEREIGN_NAME, "organization": letter.organization.name, **letter.facts},
    ).partition("\n")
    EmailMessage(
        # A name with a line break would otherwise be a second header, which Django refuses to send.
        subject=" ".join(subject.split()),
        body=body.strip() + "\n",
        to=[letter.customer.email],
        headers={"Message-ID": f"<{reference}@{settings.SOVEREIGN_DOMAIN}>"} if reference else {},
    ).send()
    return True


def _order(order_id: UUID) -> Order:
    return Order.objects.select_related("customer", "organization", "payment").get(id=order_id)


def _card_minor(order: Order) -> int:
    payment = getattr(order, "payment", None)
    return payment.amount_minor if payment is not None and payment.status == Payment.Status.PAID else 0


def _payment_received(order_id: UUID, event_id: str) -> Letter | None:
    order = _order(order_id)
    return Letter(customer=order.customer, organization=order.organization, facts=_bought(order))


def _bought(order: Order) -> dict[str, Any]:
    card_minor = _card_minor(order)
    return {
        "order": str(order.id),
        "date": f"{order.completed_at or order.created_at:%d %B %Y}",
        "lines": [
            {"name": line.name, "price": format_money(line.price_minor, currency=order.currency)}
            for line in order.lines.order_by("position")
        ],
        "total": format_money(order.total_minor, currency=order.currency),
        "from_credit": format_money(order.credit_applied_minor, currency=order.currency),
        "from_card": format_money(card_minor, currency=order.currency) if card_minor else "",
        **_balance(order.customer),
    }


def _balance(customer: Customer) -> dict[str, str]:
    balance = balance_of(user_id=customer.user_id)
    return {"balance": format_money(balance.credit_minor, currency=settings.SOVEREIGN_CURRENCY)}


def _payment_failed(order_id: UUID, event_id: str) -> Letter | None:
    order = _order(order_id)
    if order.status != Order.Status.FAILED:
        return None
    return Letter(
        customer=order.customer,
        organization=order.organization,
        facts={
            "order": str(order.id),
            "amount": format_money(order.payment.amount_minor, currency=order.currency),
            "is_renewal": order.kind == Order.Kind.RENEWAL,
        },
    )


def _refunded(order_id: UUID, event_id: str) -> Letter | None:
    order = _order(order_id)
    payment: Payment | None = getattr(order, "payment", None)
    card_minor = payment.refunded_minor if payment else 0
    reversed_minor = (
        LedgerEntry.objects.filter(order_id=order.id, kind=LedgerEntry.Kind.REVERSAL, amount_minor__gt=0)
        .values_list("amount_minor", flat=True)
        .first()
    ) or 0
    return Letter(
        customer=order.customer,
        organization=order.organization,
        facts={
            "order": str(order.id),
            "to_card": format_money(card_minor, currency=order.currency) if card_minor else "",
            "to_credit": format_money(reversed_minor, currency=order.currency) if reversed_minor else "",
            "has_ended": order.status == Order.Status.REFUNDED,
            **_balance(order.customer),
        },
    )


def _invoice(invoice_id: UUID) -> tuple[Invoice, dict[str, Any]]:
    invoice = Invoice.objects.select_related("customer", "organization", "subscription").get(id=invoice_id)
    return invoice, {
        "invoice": str(invoice.id),
        "amount": format_money(invoice.amount_minor, currency=invoice.currency),
        "from": f"{invoice.period_start:%d %B %Y}",
        "until": f"{invoice.period_end:%d %B %Y}",
        **_balance(invoice.customer),
    }


def _renewed(invoice_id: UUID, event_id: str) -> Letter | None:
    invoice, facts = _invoice(invoice_id)
    order = _order(invoice.order_id) if invoice.order_id else None
    facts |= _bought(order) if order else {"document": invoice.pdf_url}
    return Letter(customer=invoice.customer, organization=invoice.organization, facts=facts)


def _past_due(invoice_id: UUID, event_id: str) -> Letter | None:
    invoice, facts = _invoice(invoice_id)
    if invoice.status != Invoice.Status.OPEN or invoice.subscription.status != Subscription.Status.PAST_DUE:
        return None
    open_payments = Payment.objects.filter(status=Payment.Status.OPEN)
    payment = open_payments.filter(order_id=invoice.order_id).first() if invoice.order_id else None
    if payment is not None:
        facts |= {"link": payment.session_url, "due": format_money(payment.amount_minor, currency=payment.currency)}
    elif event_id:
        told = StripeEvent.objects.get(id=event_id).payload["data"]["object"]
        facts |= {"link": told.get("hosted_invoice_url") or "", "due": facts["amount"]}
    facts |= {
        "by_card": invoice.subscription.paid_by == Subscription.PaidBy.STRIPE,
        "grace_days": settings.RENEWAL_GRACE_DAYS,
    }
    return Letter(customer=invoice.customer, organization=invoice.organization, facts=facts)


def _canceled(subscription_id: UUID, event_id: str) -> Letter | None:
    subscription = Subscription.objects.select_related("customer", "organization").get(id=subscription_id)
    unpaid = Invoice.objects.filter(subscription=subscription).exclude(status=Invoice.Status.PAID)
    return Letter(
        customer=subscription.customer,
        organization=subscription.organization,
        facts={
            "date": f"{subscription.canceled_at:%d %B %Y}",
            "was_unpaid": unpaid.exists(),
            **_balance(subscription.customer),
        },
    )


_LETTERS: dict[Mail, Callable[[UUID, str], Letter | None]] = {
    Mail.PAYMENT_RECEIVED: _payment_received,
    Mail.PAYMENT_FAILED: _payment_failed,
    Mail.REFUNDED: _refunded,
    Mail.RENEWED: _renewed,
    Mail.PAST_DUE: _past_due,
    Mail.CANCELED: _canceled,
}
