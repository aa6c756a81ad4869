"""Pays from credit a month whose charge to the card has failed.

    1. pay      credit spent, order complete, invoice paid, subscription active, and a job; one transaction
    2. tell     the job has Stripe mark its invoice as paid out of band, so that the card is not charged for it
    3. check    where the card paid the month as well, or the invoice is void, the credit is returned

The card may be charged between the first two steps. Stripe pays an invoice once, so it says which of the two paid it.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from billing.actor import Actor
from billing.jobs import enqueue
from billing.locks import lock_account, lock_organization
from billing.models import Invoice, LedgerEntry, Subscription
from billing.use_cases.ledger.post_entry import reverse_entry, spend_credit
from orders.locks import lock_order, lock_subscription
from orders.models import Order
from orders.models.order import LIVE_STATUSES
from orders.stripe import subscriptions as stripe_subscriptions
from orders.use_cases.checkout.new_order import renewal_parameters, write_order
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.subscriptions.credit_unused_month import find_prorated_minor, take_back_unused_month
from orders.use_cases.subscriptions.record_subscription_event import record_subscription_event


def find_payable_subscriptions() -> list[UUID]:
    """Finds the subscriptions with a month that the card did not pay, and that the balance covers. One query."""
    available = F("customer__account__balance_minor") - F("customer__account__held_minor")
    unpaid = Invoice.objects.filter(
        status=Invoice.Status.OPEN,
        subscription__status=Subscription.Status.PAST_DUE,
        subscription__paid_by=Subscription.PaidBy.STRIPE,
        amount_minor__lte=available,
    ).exclude(stripe_invoice_id="")
    return list(unpaid.order_by("subscription_id").values_list("subscription_id", flat=True).distinct())


def pay_stripe_months(*, subscription_id: UUID, by: Actor, now: datetime) -> list[UUID]:
    """Pays from credit the months of a past-due subscription that the card did not pay, the oldest first.

    Returns: the paid invoices. Locks: Account, Organization, Subscription. Transaction: owns.
    Idempotency: a month that is paid already changes nothing.
    """
    found = Subscription.objects.only("customer_id", "organization_id").get(id=subscription_id)
    paid: list[UUID] = []
    with transaction.atomic():
        available_minor = lock_account(customer_id=found.customer_id).available_minor
        lock_organization(organization_id=found.organization_id)
        subscription = lock_subscription(subscription_id=subscription_id)
        if (subscription.status, subscription.paid_by) != (
            Subscription.Status.PAST_DUE,
            Subscription.PaidBy.STRIPE,
        ):
            return []
        unpaid = list(
            Invoice.objects.filter(subscription=subscription, status=Invoice.Status.OPEN)
            .exclude(stripe_invoice_id="")
            .order_by("period_start", "id")
        )
        for invoice in unpaid:
            if invoice.amount_minor > available_minor or _is_ordered(invoice):
                break
            _pay(invoice, subscription, by=by, now=now)
            available_minor -= invoice.amount_minor
            paid.append(invoice.id)
        if paid and len(paid) == len(unpaid):
            subscription.status = Subscription.Status.ACTIVE
            subscription.save(update_fields=["status"])
    return paid


def settle_month_at_stripe(*, order_id: UUID, by: Actor) -> str:
    """Has Stripe mark the month's invoice as paid out of band. Returns: the outcome.

    Raises: gateway.Unanswered, gateway.Refused, gateway.NotConfigured; the job retries.
    Transaction: owns, after the calls. Idempotency: Stripe pays an invoice once, and credit is returned once.
    """
    order = Order.objects.get(id=order_id)
    if order.status != Order.Status.COMPLETED:
        return "unchanged"
    invoice_id = Invoice.objects.values_list("stripe_invoice_id", flat=True).get(order_id=order_id)
    status = stripe_subscriptions.pay_invoice_out_of_band(order_id=order_id, invoice_id=invoice_id)
    if status == "paid" and not stripe_subscriptions.was_paid_by_card(invoice_id=invoice_id):
        return "paid"
    _return_credit(order_id, status=status, by=by)
    return "returned"


def _is_ordered(invoice: Invoice) -> bool:
    return Order.objects.filter(
        renews_id=invoice.subscription_id, period_start=invoice.period_start, status__in=LIVE_STATUSES
    ).exists()


def _pay(invoice: Invoice, subscription: Subscription, *, by: Actor, now: datetime) -> None:
    first = Order.objects.get(id=subscription.order_id)
    parameters = renewal_parameters(
        first=first,
        subscription=subscription,
        total_minor=invoice.amount_minor,
        credit_minor=invoice.amount_minor,
        period_start=invoice.period_start,
        by=by,
        now=now,
    )
    order = write_order(parameters, status=Order.Status.COMPLETED)
    if invoice.amount_minor:
        spend_credit(customer_id=order.customer_id, amount_minor=invoice.amount_minor, order_id=order.id, by=by)
    invoice.status, invoice.order_id = Invoice.Status.PAID, order.id
    invoice.save(update_fields=["status", "order_id"])
    if invoice.period_end > subscription.current_period_end:
        subscription.current_period_start, subscription.current_period_end = invoice.period_start, invoice.period_end
        subscription.save(update_fields=["current_period_start", "current_period_end"])
    record_subscription_event(
        "subscription.renewed", subscription, period=(invoice.period_start, invoice.period_end), order_id=order.id
    )
    queue_mail(Mail.RENEWED, invoice.id)
    enqueue("settle_month_at_stripe", lock=f"order:{order.id}", order_id=str(order.id))


def _return_credit(order_id: UUID, *, status: str, by: Actor) -> None:
    """Returns the credit of a month that the card paid as well, or that Stripe does not collect any more.

    Locks: Order, Account. Transaction: owns.
    """
    with transaction.atomic():
        order = lock_order(order_id=order_id)
        if order.status != Order.Status.COMPLETED:
            return
        lock_account(customer_id=order.customer_id)
        why = "the card paid the month as well" if status == "paid" else f"Stripe's invoice of the month is {status}"
        # A month that the card paid keeps what a change of plan has credited of it.
        credited_minor = 0 if status == "paid" else find_prorated_minor(order_id=order.id)
        spent = LedgerEntry.objects.filter(order_id=order.id, kind=LedgerEntry.Kind.SPEND).first()
        if spent is not None:
            reverse_entry(entry_id=spent.id, why=why, by=by)
            if credited_minor:
                take_back_unused_month(order=order, amount_minor=credited_minor, by=by)
        order.status = Order.Status.REFUNDED
        order.save(update_fields=["status"])
        invoices = Invoice.objects.filter(order_id=order.id)
        if status == "paid":
            invoices.update(order_id=None)
        else:
            invoices.update(status=Invoice.Status.VOID)
