"""Refunds: a row records the intent in a transaction, then a job calls Stripe with a key derived from that row.

A change of plan credits the unused month of the order that it replaces. Card and credit together give back at most
the rest of that order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.jobs import enqueue
from billing.language import say
from billing.locks import lock_account, lock_organization
from billing.models import LedgerEntry, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.money import format_money
from billing.text import has_visible_text
from billing.use_cases.ledger.post_entry import reverse_entry
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import Outcome, run_or_propose
from billing.use_cases.record_audit import record_audit
from orders.errors import AmountNotRefundable, OrderNotRefundable
from orders.locks import lock_order, lock_subscription
from orders.models import Break, Order, Payment, Refund
from orders.models.charge import nearest_charges
from orders.stripe import gateway
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.reconciliation.record_break import record_break
from orders.use_cases.subscriptions.credit_unused_month import find_prorated_minor, take_back_unused_month
from orders.use_cases.subscriptions.end_subscriptions import end_subscriptions
from orders.use_cases.subscriptions.suspend_unpaid import suspend_unpaid


def refund_or_propose(*, order_id: UUID, card_minor: int | None, why: str, by: Actor) -> Outcome:
    """Refunds an order as `refund_order` does; proposes it where it exceeds a limit of the actor's role.

    Raises: as `refund_order` does.
    """
    arguments = {"order_id": str(order_id), "card_minor": card_minor}
    return run_or_propose(ORDER_REFUND, arguments, why=why, by=by)


def refund_order(*, order_id: UUID, card_minor: int | None, why: str, by: Actor) -> Refund | None:
    """Refunds an order on behalf of staff: the card first, and the credit once the card's part is refunded in full.

    Args: card_minor: the amount for the card, smallest unit; None refunds all that is left for the card.
    Returns: the requested refund; None where the card has nothing to get back.
    Raises: ReasonRequired, OrderNotRefundable, AmountNotRefundable. Locks: Order, Account. Transaction: owns.
    """
    if not has_visible_text(why):
        raise ReasonRequired
    with transaction.atomic():
        order = lock_order(order_id=order_id)
        if order.status == Order.Status.REFUNDED:
            raise OrderNotRefundable("this order is refunded already")
        if order.status != Order.Status.COMPLETED:
            raise OrderNotRefundable
        # Races with a change of plan, which credits the order's unused month under the same lock.
        lock_account(customer_id=order.customer_id)
        left = find_refundable(order)
        if left.prorated_minor and not left.total_minor:
            raise OrderNotRefundable("nothing is left to be refunded: the unused month of this order was credited")
        wanted = left.card_minor if card_minor is None else card_minor
        if card_minor is not None:
            _check_amount(card_minor, left=left, currency=order.currency)
        record_audit(
            action="order.refund_requested",
            object_type="order",
            object_id=str(order.id),
            by=by,
            changes={"card_minor": [0, wanted]},
            reason=why,
        )
        if wanted:
            return request_refund(order=order, card_minor=wanted, reason=why, by=by)
        return_credit(order=order, reason=why, by=by)
        queue_mail(Mail.REFUNDED, order.id)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refundable:
    """The amounts that can still be refunded of an order, smallest unit.

    A change of plan has credited `prorated_minor`.
    """

    card_minor: int
    credit_minor: int
    prorated_minor: int

    @property
    def total_minor(self) -> int:
        return self.card_minor + self.credit_minor


def find_refundable(order: Order) -> Refundable:
    """Finds what can still be refunded of a completed order: at most its total, less what was prorated of it.

    The answer is final under the locks of the order and the account. Two queries, up to four for a replaced order.
    """
    payment = Payment.objects.filter(order=order, status=Payment.Status.PAID).first()
    charged_minor, refunded_minor = (payment.amount_minor, payment.refunded_minor) if payment else (0, 0)
    prorated_minor = find_prorated_minor(order_id=order.id)
    left_minor = max(0, order.total_minor - prorated_minor - refunded_minor)
    card_minor = charged_minor - refunded_minor
    if card_minor > left_minor:
        # The rest may have more decimals than Stripe refunds.
        nearest = nearest_charges(left_minor, currency=order.currency, minimum_minor=0)
        card_minor = max((each for each in nearest if each <= left_minor), default=0)
    return Refundable(
        card_minor=card_minor,
        credit_minor=min(order.credit_applied_minor, left_minor - card_minor),
        prorated_minor=prorated_minor,
    )


def _check_amount(card_minor: int, *, left: Refundable, currency: str) -> None:
    """Raises: AmountNotRefundable, with the most or the nearest amounts that Stripe can refund."""
    left_minor = left.card_minor
    if not 0 < card_minor <= left_minor:
        text = (
            say("at most %(amount)s can be refunded to the card", amount=format_money(left_minor, currency=currency))
            if left_minor
            else say("nothing is left to be refunded to the card")
        )
        credited = format_money(left.prorated_minor, currency=currency)
        why = say("%(amount)s of the order was credited for its unused month", amount=credited)
        raise AmountNotRefundable(f"{text}: {why}" if left.prorated_minor else text)
    nearest = nearest_charges(card_minor, currency=currency, minimum_minor=0)
    if card_minor not in nearest:
        texts = [format_money(each, currency=currency) for each in nearest if 0 < each <= left_minor]
        nearest_text = say(" or ").join(texts)
        raise AmountNotRefundable(
            say("this amount cannot be refunded to a card: the nearest is %(amounts)s", amounts=nearest_text)
        )


def request_refund(*, order: Order, card_minor: int, reason: str, by: Actor) -> Refund:
    """Records the intent to refund the card, with the job that calls Stripe. The caller holds the order's lock.

    Raises: OrderNotRefundable while another refund of the payment is in flight. Transaction: joins.
    """
    if Refund.objects.filter(payment=order.payment, status=Refund.Status.REQUESTED).exists():
        raise OrderNotRefundable("another refund of this order is under way: wait until it is done")
    refund = Refund.objects.create(
        payment=order.payment, amount_minor=card_minor, reason=reason[:200], requested_by=by.user_id
    )
    enqueue("send_refund", lock=f"order:{order.id}", refund_id=str(refund.id))
    return refund


def send_refund(*, refund_id: UUID, by: Actor) -> Refund:
    """Sends a requested refund to Stripe, and records the answer. If Stripe refuses it, the refund has failed.

    Raises: gateway.Unanswered, gateway.NotConfigured; gateway.Refused from the read after the refund itself.
    The job retries with the same key. Transaction: owns, after the calls.
    """
    refund = Refund.objects.select_related("payment__order").get(id=refund_id)
    if refund.status != Refund.Status.REQUESTED:
        return refund
    payment = refund.payment
    try:
        intent = payment.payment_intent_id or gateway.find_payment_intent(invoice_id=payment.stripe_invoice_id)
        if not intent:
            raise gateway.Refused("no payment of the invoice is known")
        stripe_refund_id = gateway.refund_payment(
            refund_id=refund.id, payment_intent_id=intent, amount_minor=refund.amount_minor
        )
    except gateway.Refused as error:
        return _record_failure(refund, why=str(error))
    at_stripe_minor = gateway.fetch_refunded_minor(payment_intent_id=intent)
    with transaction.atomic():
        order = lock_order(order_id=payment.order_id)
        refund.refresh_from_db()
        if refund.status != Refund.Status.REQUESTED:
            # The job and the sweeper sent it at the same time.
            return refund
        refund.status, refund.stripe_refund_id = Refund.Status.DONE, stripe_refund_id
        refund.closed_at = timezone.now()
        refund.save(update_fields=["status", "stripe_refund_id", "closed_at"])
        if not payment.payment_intent_id:
            Payment.objects.filter(pk=payment.pk).update(payment_intent_id=intent)
        # A total, not an increment: Stripe's event of this same refund may have been settled before.
        ours_minor = Refund.objects.filter(payment=payment, status=Refund.Status.DONE).aggregate(
            sum=Sum("amount_minor")
        )["sum"]
        record_refunded_total(
            order=order, refunded_minor=max(at_stripe_minor, ours_minor), reason=refund.reason, by=by
        )
    return refund


def record_refunded_total(*, order: Order, refunded_minor: int, reason: str, by: Actor) -> str:
    """Records the total that the card got back. Once nothing is left for the card, the credit is returned too.

    A refund at Stripe of more than was left of the order becomes a break.

    The caller holds the order's lock. Returns: the outcome. Locks: Account. Transaction: joins.
    Idempotency: a total that is known already changes nothing, so Stripe's event and the answer to our own call may
    come in any order.
    """
    payment = order.payment
    if refunded_minor <= payment.refunded_minor:
        return "unchanged"
    # Races with a change of plan, which credits the order's unused month under the same lock.
    lock_account(customer_id=order.customer_id)
    refundable_minor = payment.refunded_minor + find_refundable(order).card_minor
    if refunded_minor > refundable_minor:
        record_break(
            kind=Break.Kind.REFUND_BEYOND_ORDER,
            object_id=payment.payment_intent_id or str(order.id),
            order_id=order.id,
            details={"refunded": refunded_minor, "refundable": refundable_minor},
        )
    payment.refunded_minor = min(refunded_minor, payment.amount_minor)
    payment.save(update_fields=["refunded_minor"])
    queue_mail(Mail.REFUNDED, order.id)
    if order.status != Order.Status.COMPLETED or find_refundable(order).card_minor:
        return "refunded_in_part"
    return_credit(order=order, reason=reason, by=by)
    return "refunded"


def return_credit(*, order: Order, reason: str, by: Actor) -> None:
    """Returns an order's credit by a reversal of its spend, and ends the subscription that the order bought.

    An adjustment takes back what a change of plan has credited of it before.

    The caller holds the order's lock. Locks: Account, Organization, Subscription. Transaction: joins.
    """
    lock_account(customer_id=order.customer_id)
    left = find_refundable(order)
    spent = LedgerEntry.objects.filter(order_id=order.id, kind=LedgerEntry.Kind.SPEND).first()
    if spent is not None:
        reverse_entry(entry_id=spent.id, why=reason, by=by)
        if kept_minor := order.credit_applied_minor - left.credit_minor:
            take_back_unused_month(order=order, amount_minor=kept_minor, by=by)
    order.status = Order.Status.REFUNDED
    order.save(update_fields=["status"])
    _end_subscription(order, reason=reason, by=by)


def _end_subscription(order: Order, *, reason: str, by: Actor) -> None:
    """Ends the subscription that the order pays for, unless another order has replaced it before."""
    lock_organization(organization_id=order.organization_id)
    bought = Subscription.objects.filter(Q(order_id=order.id) | Q(id=order.renews_id)).exclude(
        status__in=ENDED_STATUSES
    )
    live = bought.first()
    if live is None:
        return
    end_subscriptions(bought, now=timezone.now())
    suspend_unpaid(
        lock_subscription(subscription_id=live.id),
        status_before=live.status,
        period=(live.current_period_start, live.current_period_end),
        by=by,
        reason=f"refunded: {reason}",
        # The mail about the refund says that the subscription has ended.
        send_mail=False,
    )


def _record_failure(refund: Refund, *, why: str) -> Refund:
    with transaction.atomic():
        lock_order(order_id=refund.payment.order_id)
        refund.refresh_from_db()
        if refund.status != Refund.Status.REQUESTED:
            return refund
        refund.status, refund.closed_at = Refund.Status.FAILED, timezone.now()
        refund.save(update_fields=["status", "closed_at"])
        record_break(
            kind=Break.Kind.REFUND_FAILED,
            object_id=str(refund.id),
            order_id=refund.payment.order_id,
            details={"why": why},
        )
    return refund


def _describe(arguments: Arguments, state: Any) -> str:
    order = Order.objects.select_related("customer").get(pk=arguments["order_id"])
    return f"Refund an order of {order.customer}"


def _lock_state(arguments: Arguments) -> dict[str, Any]:
    order = lock_order(order_id=UUID(arguments["order_id"]))
    lock_account(customer_id=order.customer_id)
    left = find_refundable(order)
    refunded_minor = Payment.objects.filter(order=order).values_list("refunded_minor", flat=True).first() or 0
    return {
        "status": order.status,
        "card_minor": left.card_minor,
        "credit_minor": left.credit_minor,
        "refunded_minor": refunded_minor,
    }


def _to_refund(arguments: Arguments, state: Any) -> tuple[int, int]:
    """Returns the amounts for the card and for the credit."""
    wanted = arguments["card_minor"]
    card_minor = state["card_minor"] if wanted is None else wanted
    return card_minor, state["credit_minor"] if card_minor == state["card_minor"] else 0


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    card_minor, credit_minor = _to_refund(arguments, state)
    currency = settings.SOVEREIGN_CURRENCY
    before = state["refunded_minor"]
    is_whole = card_minor == state["card_minor"]
    return [
        Difference(
            "Refunded to the card",
            format_money(before, currency=currency),
            format_money(before + card_minor, currency=currency),
        ),
        Difference(
            "Returned to the credit",
            format_money(0, currency=currency),
            format_money(credit_minor, currency=currency),
        ),
        *(
            [Difference("Order", Order.Status(state["status"]).label, Order.Status.REFUNDED.label)]
            if is_whole
            else []
        ),
    ]


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    """Returns all that the order got back after this refund, so that several parts are no way around a limit."""
    return {"refund": state["refunded_minor"] + sum(_to_refund(arguments, state))}


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    refund = refund_order(order_id=UUID(arguments["order_id"]), card_minor=arguments["card_minor"], why=why, by=by)
    message = "The refund was requested." if refund else "The credit was returned."
    return Result(message, *_subject(arguments), value=refund)


def _subject(arguments: Arguments) -> tuple[str, str]:
    return "orders_order", arguments["order_id"]


ORDER_REFUND = Kind(
    name="order_refund",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
    subject=_subject,
)
