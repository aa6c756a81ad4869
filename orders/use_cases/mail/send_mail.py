"""Sends mails to customers, without keys, cards or tokens, in the language that the customer used last.

A mail states what is true when it is sent. A stale one is not sent, such as a reminder of a month that was paid after
the reminder was queued.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import lazy
from django.utils.translation import override

from billing.local_time import day_text, to_local
from billing.models import AuditEntry, Customer, Invoice, LedgerEntry, Organization, OrganizationMember, Subscription
from billing.money import local_money
from billing.organization_roles import ROLE_NAMES, OrganizationRole
from billing.queries import balance_of
from billing.use_cases.mail.send_templated_mail import is_mail_configured, send_templated_mail
from billing.use_cases.personal.mail_choices import unsubscribe_address
from orders.models import Order, Payment, StripeEvent
from orders.models.basket import BundleDiscount, bill_rows
from orders.stripe.payloads import read_event_object, read_link
from orders.use_cases.checkout.month_price import next_month_minor
from orders.use_cases.documents.vat import IncludedVat
from orders.use_cases.documents.vat_of_sale import vat_of_month, vat_of_order
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.remind_of_renewal import is_covered
from orders.use_cases.subscriptions.suspend_unpaid import OWNER_CANCELLED

logger = structlog.get_logger(__name__)

# A burst of orders would otherwise fill the log with one line for each mail that is not sent.
WARNING_SECONDS = 60
_warned_at: dict[str, float] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailContent:
    """The address that a mail goes to, the organization it is about, its payer, and the template's context.

    Without an address the mail goes to the payer. `template` is another than the mail's where its content decides.
    """

    customer: Customer
    organization: Organization
    context: dict[str, Any] = field(default_factory=dict)
    address: str = ""
    template: str = ""


def send_mail(*, mail: Mail, subject_id: UUID, event_id: str = "", reference: str = "") -> bool:
    """Sends one mail; False where it is stale or declined, has no address, or mail is not configured.

    Args: subject_id: see `queue_mail`. reference: the same on every try; the Message-ID is made from it.
    Raises: any failure of the mail server; the job retries. Transaction: none.
    """
    content = _BUILDERS[mail](subject_id, event_id)
    if content is None:
        logger.info("mail_stale", mail=mail.value, subject_id=str(subject_id))
        return False
    address = content.address or content.customer.email
    if not address:
        logger.warning("mail_without_address", mail=mail.value, customer_id=content.customer.user_id)
        return False
    name = content.template or mail.value
    if name in content.customer.declined_mails:
        logger.info("mail_declined", mail=name, subject_id=str(subject_id))
        return False
    if not is_mail_configured():
        _warn_not_configured()
        return False
    send_templated_mail(
        template=f"mail/{name}.txt",
        context={
            "organization": content.organization.name,
            "may_order": content.organization.status != Organization.Status.DELETED
            and not content.organization.suspended_by_staff,
            **content.context,
        },
        address=address,
        language=content.customer.language,
        reference=reference,
        unsubscribe=unsubscribe_address(content.customer, name),
    )
    return True


# Written when the mail is, in its language.
_money: Callable[..., Any] = lazy(local_money, str)
_day: Callable[[datetime], Any] = lazy(day_text, str)
_moment: Callable[[datetime], Any] = lazy(lambda at: date_format(to_local(at), "MOMENT_OF_YEAR"), str)


def _load_order(order_id: UUID) -> Order:
    return Order.objects.select_related("customer", "organization", "payment").get(id=order_id)


def _paid_by_card_minor(order: Order) -> int:
    payment = getattr(order, "payment", None)
    return payment.amount_minor if payment is not None and payment.status == Payment.Status.PAID else 0


def _build_order_placed(order_id: UUID, event_id: str) -> MailContent | None:
    order = _load_order(order_id)
    payment = order.payment
    is_processing = payment.status == Payment.Status.PROCESSING
    is_payable = payment.status == Payment.Status.OPEN and payment.expires_at > timezone.now()
    if order.status != Order.Status.PENDING or not (is_processing or is_payable):
        return None
    return MailContent(
        customer=order.customer,
        organization=order.organization,
        context={
            **_order_context(order),
            "is_processing": is_processing,
            "due": _money(payment.amount_minor, currency=order.currency),
            "held": _money(order.credit_to_hold_minor, currency=order.currency) if order.credit_to_hold_minor else "",
            "until": _moment(payment.expires_at),
            "link": payment.session_url,
        },
    )


def _build_payment_received(order_id: UUID, event_id: str) -> MailContent | None:
    order = _load_order(order_id)
    context = {
        **_order_context(order),
        "address": f"{order.organization.slug}.{settings.SOVEREIGN_DOMAIN}",
    }
    return MailContent(customer=order.customer, organization=order.organization, context=context)


def _build_renewal_ahead(subscription_id: UUID, event_id: str) -> MailContent | None:
    subscription = Subscription.objects.select_related("customer", "organization").get(id=subscription_id)
    if (
        subscription.status != Subscription.Status.ACTIVE
        or subscription.cancel_at_period_end
        or subscription.current_period_end <= timezone.now()
    ):
        return None
    return MailContent(
        customer=subscription.customer,
        organization=subscription.organization,
        template="" if is_covered(subscription) else "credit_runs_out",
        context={
            "date": _day(subscription.current_period_end),
            "amount": _money(next_month_minor(subscription), currency=subscription.currency),
            "by_card": subscription.paid_by == Subscription.PaidBy.STRIPE,
            **_balance_context(subscription.customer),
        },
    )


def _order_context(order: Order) -> dict[str, Any]:
    card_minor = _paid_by_card_minor(order)
    with override(order.customer.language or settings.LANGUAGE_CODE):
        rows = bill_rows(order.lines.order_by("position"), BundleDiscount.of(order.bundle))
    return {
        "order": str(order.id),
        "date": _day(order.completed_at or order.created_at),
        "lines": [{"name": name, "price": _money(minor, currency=order.currency)} for name, minor in rows],
        "total": _money(order.total_minor, currency=order.currency),
        "from_credit": _money(order.credit_applied_minor, currency=order.currency),
        "from_card": _money(card_minor, currency=order.currency) if card_minor else "",
        **_vat_context(vat_of_order(order.id), currency=order.currency),
        **_balance_context(order.customer),
    }


def _vat_context(vat: IncludedVat | None, *, currency: str) -> dict[str, str]:
    return {"vat_rate": vat.rate, "vat": _money(vat.vat_minor, currency=currency)} if vat else {}


def _balance_context(customer: Customer) -> dict[str, str]:
    balance = balance_of(user_id=customer.user_id)
    return {"balance": _money(balance.credit_minor, currency=settings.SOVEREIGN_CURRENCY)}


def _build_payment_failed(order_id: UUID, event_id: str) -> MailContent | None:
    order = _load_order(order_id)
    if order.status != Order.Status.FAILED:
        return None
    return MailContent(
        customer=order.customer,
        organization=order.organization,
        context={
            "order": str(order.id),
            "amount": _money(order.payment.amount_minor, currency=order.currency),
            "is_renewal": order.kind == Order.Kind.RENEWAL,
        },
    )


def _build_refunded(order_id: UUID, event_id: str) -> MailContent | None:
    order = _load_order(order_id)
    payment: Payment | None = getattr(order, "payment", None)
    card_minor = payment.refunded_minor if payment else 0
    reversed_minor = (
        LedgerEntry.objects.filter(order_id=order.id, kind=LedgerEntry.Kind.REVERSAL, amount_minor__gt=0)
        .values_list("amount_minor", flat=True)
        .first()
    ) or 0
    return MailContent(
        customer=order.customer,
        organization=order.organization,
        context={
            "order": str(order.id),
            "to_card": _money(card_minor, currency=order.currency) if card_minor else "",
            "to_credit": _money(reversed_minor, currency=order.currency) if reversed_minor else "",
            "has_ended": order.status == Order.Status.REFUNDED,
            "in_part": payment is not None and 0 < payment.refunded_minor < payment.amount_minor,
            **_balance_context(order.customer),
        },
    )


def _load_invoice(invoice_id: UUID) -> tuple[Invoice, dict[str, Any]]:
    invoice = Invoice.objects.select_related("customer", "organization", "subscription").get(id=invoice_id)
    return invoice, {
        "invoice": str(invoice.id),
        "amount": _money(invoice.amount_minor, currency=invoice.currency),
        "from": _day(invoice.period_start),
        "until": _day(invoice.period_end),
        **_balance_context(invoice.customer),
    }


def _build_renewed(invoice_id: UUID, event_id: str) -> MailContent | None:
    invoice, context = _load_invoice(invoice_id)
    order = _load_order(invoice.order_id) if invoice.order_id else None
    context |= _order_context(order) if order else _card_context(invoice)
    return MailContent(customer=invoice.customer, organization=invoice.organization, context=context)


def _card_context(invoice: Invoice) -> dict[str, Any]:
    return {"document": invoice.pdf_url, **_vat_context(vat_of_month(invoice), currency=invoice.currency)}


def _build_past_due(invoice_id: UUID, event_id: str) -> MailContent | None:
    invoice, context = _load_invoice(invoice_id)
    if invoice.status != Invoice.Status.OPEN or invoice.subscription.status != Subscription.Status.PAST_DUE:
        return None
    open_payments = Payment.objects.filter(status=Payment.Status.OPEN)
    payment = open_payments.filter(order_id=invoice.order_id).first() if invoice.order_id else None
    if payment is not None:
        context |= {"link": payment.session_url, "due": _money(payment.amount_minor, currency=payment.currency)}
    elif event_id:
        invoice_at_stripe = read_event_object(StripeEvent.objects.get(id=event_id).payload)
        context |= {"link": read_link(invoice_at_stripe, "hosted_invoice_url"), "due": context["amount"]}
    context |= {
        "by_card": invoice.subscription.paid_by == Subscription.PaidBy.STRIPE,
        "grace_days": settings.RENEWAL_GRACE_DAYS,
    }
    return MailContent(customer=invoice.customer, organization=invoice.organization, context=context)


def _build_canceled(subscription_id: UUID, event_id: str) -> MailContent | None:
    subscription = Subscription.objects.select_related("customer", "organization").get(id=subscription_id)
    unpaid = Invoice.objects.filter(subscription=subscription).exclude(status=Invoice.Status.PAID)
    cancelled = AuditEntry.objects.filter(
        action="subscription.canceled", object_id=str(subscription_id), reason=OWNER_CANCELLED
    )
    return MailContent(
        customer=subscription.customer,
        organization=subscription.organization,
        context={
            "date": _day(subscription.canceled_at) if subscription.canceled_at else "",
            "was_unpaid": unpaid.exists() and not cancelled.exists(),
            **_balance_context(subscription.customer),
        },
    )


def _build_invited(member_id: UUID, event_id: str) -> MailContent | None:
    members = OrganizationMember.objects.select_related("organization__customer")
    member = members.exclude(organization__status=Organization.Status.DELETED).filter(id=member_id).first()
    if member is None:
        return None
    return MailContent(
        customer=member.organization.customer,
        organization=member.organization,
        address=member.email,
        context={
            "role": ROLE_NAMES[OrganizationRole(member.role)],
            "address": member.email,
            "domain": settings.SOVEREIGN_DOMAIN,
        },
    )


_BUILDERS: dict[Mail, Callable[[UUID, str], MailContent | None]] = {
    Mail.RENEWAL_AHEAD: _build_renewal_ahead,
    Mail.ORDER_PLACED: _build_order_placed,
    Mail.PAYMENT_RECEIVED: _build_payment_received,
    Mail.PAYMENT_FAILED: _build_payment_failed,
    Mail.REFUNDED: _build_refunded,
    Mail.RENEWED: _build_renewed,
    Mail.PAST_DUE: _build_past_due,
    Mail.CANCELED: _build_canceled,
    Mail.INVITED: _build_invited,
}


def _warn_not_configured() -> None:
    """Warns that no mail is sent, once a minute at most."""
    now = time.monotonic()
    if now - _warned_at.get("mail", -WARNING_SECONDS) >= WARNING_SECONDS:
        _warned_at["mail"] = now
        logger.warning("mail_not_configured")
