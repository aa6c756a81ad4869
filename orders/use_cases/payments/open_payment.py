"""A checkout that needs a card payment for the rest: two transactions, with the call to Stripe between them.

    1. reserve   order pending, credit held, payment requested, a slot of the code reserved; commit
    2. call      requests the session from Stripe, with keys derived from the order, outside any transaction
    3. record    with a session: the redemption is confirmed, and its credit granted and held
                 without: redemption and hold are released, and the order has failed

A process that dies in between leaves the payment `requested`. The customer's retry or the sweeper then repeats the
request with the same keys, and settles it. If Stripe does not answer, everything is released immediately, because the
customer never got the session's address, and the payment is marked `needs_stripe_cleanup`: the sweeper closes the
session at Stripe. The same happens if Stripe refuses, because an earlier attempt may have succeeded.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import translate_violations
from billing.locks import lock_account
from billing.models import Account, IdempotencyKey, Invoice, Organization, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.use_cases.ledger.hold_credit import hold_credit, release_hold
from billing.use_cases.store_answer import store_answer
from orders.errors import AmountNotChargeable, OrderStale, PaymentOpen, PaymentProcessorError, TooManyOrders
from orders.locks import lock_order, share_catalog
from orders.models import CatalogVersion, Order, Payment
from orders.models.basket import Basket, CheckoutRequest
from orders.models.charge import split_total
from orders.process_lock import is_abandoned, process_key
from orders.queries.orders import count_orders_today
from orders.stripe import gateway
from orders.stripe.payloads import Session
from orders.stripe.session_request import page_after_payment
from orders.use_cases.checkout.checkout_context import order_facts
from orders.use_cases.checkout.new_order import order_parameters, write_order
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.payments.request_session import request_session
from orders.use_cases.subscriptions.credit_unused_month import unused_minor
from promos.models import PromoCode, Redemption
from promos.use_cases.redeem_code import confirm, reserve
from promos.use_cases.redeem_code import release as release_redemption
from promos.use_cases.restrictions.find_broken_restriction import OrderFacts

# The sweeper must be able to ask again within the 30 minutes that Stripe wants a session to be open at least.
SESSION_LIFE = timedelta(hours=2)
# A customer who pays within this time gets the receipt alone, without the mail about the placed order.
ORDER_MAIL_DELAY = timedelta(minutes=10)
LEASE = timedelta(seconds=2 * gateway.MAX_CALL_SECONDS)
_RESERVE_REFUSALS = {"orders_order_one_open_per_organization": PaymentOpen, "billing_idempotencykey_once": OrderStale}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPayment:
    """An order that a card pays or has paid; `balance_minor` is the customer's balance after this answer."""

    order_id: UUID
    session_url: str
    balance_minor: int


def open_payment(
    *,
    organization: Organization,
    request: CheckoutRequest,
    basket: Basket,
    catalog: UUID,
    replaces: UUID | None,
    promo_code: PromoCode | None,
    by: Actor,
    now: datetime,
) -> OpenedPayment:
    """Sets credit aside, reserves a slot of the code, and opens a Checkout Session for the rest.

    Args: catalog, replaces: the version of the catalog, and the live subscription, that the caller saw.
    Raises: PaymentProcessorError where Stripe did not open one, and only a failed order is left; AmountNotChargeable;
    PaymentOpen, OrderStale and promo problems where the state changed since it was read; TooManyOrders.
    Locks: Account, the code's advisory lock (shared), one counter last. Transaction: owns, two of them.
    """
    _check_quota(by=by, now=now)
    order = _reserve(
        organization=organization,
        request=request,
        basket=basket,
        catalog=catalog,
        replaces=replaces,
        promo_code=promo_code,
        by=by,
        now=now,
    )
    return ask_processor(order_id=order.id, by=by)


def _check_quota(*, by: Actor, now: datetime) -> None:
    """Refuses more sessions of a day that end without a payment than a customer may open."""
    unpaid = [Order.Status.EXPIRED, Order.Status.CANCELLED]
    if count_orders_today(user_id=by.user_id, statuses=unpaid, free=False, now=now) >= settings.UNPAID_ORDERS_PER_DAY:
        raise TooManyOrders(retry_after=3600)


def ask_processor(*, order_id: UUID, by: Actor) -> OpenedPayment:
    """Asks Stripe for a requested payment's session, for the first time or again, and records the answer.

    Raises: PaymentProcessorError, with everything released. Idempotency: by the order's keys.
    """
    order = Order.objects.select_related("payment", "customer").get(id=order_id)
    try:
        session = request_session(order, by=by)
    except (gateway.Refused, gateway.NotConfigured) as error:
        undo_checkout(order_id=order_id, by=by, why=f"processor refused: {error}")
        raise PaymentProcessorError from error
    except gateway.Unanswered as error:
        undo_checkout(order_id=order_id, by=by, why=f"processor did not answer: {error}")
        raise PaymentProcessorError(retry_after=30) from error
    return answer_with_session(order_id=order_id, session=session, by=by)


def take_over_request(*, order_id: UUID, now: datetime) -> bool:
    """Makes this process the one that asks Stripe for an abandoned payment.

    Returns: False while another process may be asking. Locks: Order. Transaction: owns. Idempotency: of two processes
    that try, one takes it over.
    """
    process = process_key()
    with transaction.atomic():
        payment = lock_order(order_id=order_id).payment
        if payment.status != Payment.Status.REQUESTED or not is_abandoned(order_id=order_id, now=now):
            return False
        payment.process_key, payment.leased_until = process, now + LEASE
        payment.save(update_fields=["process_key", "leased_until"])
        return True


def _reserve(
    *,
    organization: Organization,
    request: CheckoutRequest,
    basket: Basket,
    catalog: UUID,
    replaces: UUID | None,
    promo_code: PromoCode | None,
    by: Actor,
    now: datetime,
) -> Order:
    """Records the order, its payment and the reserved slot; grants nothing yet."""
    process = process_key()
    with (
        translate_violations(_RESERVE_REFUSALS),
        transaction.atomic(),
    ):
        account = lock_account(customer_id=organization.customer_id)
        if Order.objects.filter(organization=organization, status=Order.Status.PENDING).exists():
            raise PaymentOpen
        # Staff may have deleted or suspended it since it was read. The next read names the refusal.
        may_order = Organization.objects.exclude(status=Organization.Status.DELETED).filter(suspended_by_staff=False)
        if not may_order.filter(id=organization.id).exists():
            raise OrderStale
        share_catalog()
        _check_state(organization, catalog=catalog, replaces=replaces)
        granted = promo_code.credit_minor if promo_code else 0
        unused = unused_minor(subscription_id=replaces, as_of=now) if replaces else 0
        split = split_total(
            total_minor=basket.total_minor,
            credit_minor=account.available_minor + granted + unused,
            currency=settings.SOVEREIGN_CURRENCY,
            minimum_minor=settings.STRIPE_MINIMUM_CHARGE_MINOR,
        )
        if split is None:
            raise AmountNotChargeable
        applied_minor, charged_minor = split
        if charged_minor == 0:
            # The balance has grown since the state was read, and covers the total now.
            raise OrderStale
        order = write_order(
            {
                **order_parameters(request, basket=basket, by=by, now=now),
                "customer": organization.customer_id,
                "credit_applied": applied_minor,
                "promo": promo_code.id if promo_code else None,
            },
            status=Order.Status.PENDING,
        )
        if unused:
            # The old subscription runs on until the payment, which brings its unused month.
            order.proration_minor = min(unused, applied_minor)
            order.save(update_fields=["proration_minor"])
        Payment.objects.create(
            order=order,
            amount_minor=charged_minor,
            currency=order.currency,
            requested_at=now,
            leased_until=now + LEASE,
            process_key=process,
            expires_at=now + SESSION_LIFE,
        )
        if request.idempotency_key:
            store_answer(
                customer_id=account.customer_id,
                key=request.idempotency_key,
                fingerprint=request.fingerprint,
                result_id=order.id,
                balance_minor=None,
                now=now,
            )
        _hold_now(account, order)
        if promo_code is not None:
            # Last: the code's counter stays locked until the commit, which is next.
            redemption = reserve(
                promo_code=promo_code,
                customer_id=account.customer_id,
                order_id=order.id,
                order=_facts_for(promo_code, basket=basket, order=order),
                now=now,
            )
            if redemption.credit_minor != granted:
                # The code's credit was changed after it was read, and the charge was split by the earlier one.
                raise OrderStale
        return order


def _facts_for(promo_code: PromoCode, *, basket: Basket, order: Order) -> OrderFacts | None:
    """Returns the order's facts where the code's restrictions may need them."""
    if not promo_code.restricted:
        return None
    return order_facts(basket, customer_id=order.customer_id, organization_id=order.organization_id)


def _check_state(organization: Organization, *, catalog: UUID, replaces: UUID | None) -> None:
    """Checks that prices and subscription are what the caller saw. The caller holds the account's lock.

    Every order of the customer is completed under that lock. Raises: OrderStale.
    """
    live = Subscription.objects.filter(organization=organization).exclude(status__in=ENDED_STATUSES)
    if live.values_list("id", flat=True).first() != replaces:
        raise OrderStale
    if CatalogVersion.objects.values_list("version", flat=True).get() != catalog:
        raise OrderStale


def _hold_now(account: Account, order: Order) -> None:
    """Holds what the balance has now; a reserved code's credit is held when it is granted."""
    held_minor = min(account.available_minor, order.credit_to_hold_minor)
    if held_minor:
        hold_credit(customer_id=account.customer_id, amount_minor=held_minor, order_id=order.id)


def answer_with_session(*, order_id: UUID, session: Session, by: Actor) -> OpenedPayment:
    """Records the session, and answers the checkout. The answer is stored, so that a retry gets the same one.

    Raises: PaymentProcessorError where the order was undone meanwhile; the session is left to the sweeper.
    Locks: Order, Account, Redemption. Transaction: owns.
    """
    with transaction.atomic():
        order = record_session(order_id=order_id, session=session, by=by)
        if order.payment.status != Payment.Status.FAILED:
            return answer_checkout(order, session_url=session.url)
    raise PaymentProcessorError


def answer_checkout(order: Order, *, session_url: str = "") -> OpenedPayment:
    """Answers a checkout whose session is recorded, or repeats the answer that was given before.

    The caller holds the order's lock. Locks: Account. Transaction: joins.
    """
    account = lock_account(customer_id=order.customer_id)
    answers = IdempotencyKey.objects.filter(customer_id=order.customer_id, result_id=order.id)
    given = answers.exclude(balance_after_minor=None).first()
    # Stripe takes the address from a session that was paid. Its customer goes where Stripe would send them.
    url = order.payment.session_url or session_url or page_after_payment(order.payment.session_id or "")
    if given is not None:
        url, balance_minor = given.session_url, given.balance_after_minor or 0
    else:
        balance_minor = account.balance_minor
        answers.update(balance_after_minor=balance_minor, session_url=url)
    return OpenedPayment(order_id=order.id, session_url=url, balance_minor=balance_minor)


def record_session(*, order_id: UUID, session: Session, by: Actor) -> Order:
    """Records the session. The customer gets the code's credit now, and the part that the order uses is held.

    Locks: Order, Account, Redemption. Transaction: owns. Idempotency: a second call changes nothing; one that comes
    after the order was undone leaves the session to the sweeper.
    """
    with transaction.atomic():
        order = lock_order(order_id=order_id)
        lock_account(customer_id=order.customer_id)
        payment = order.payment
        if payment.status == Payment.Status.REQUESTED:
            redemption = _reserved(order)
            if redemption is not None:
                confirm(redemption=redemption, by=by)
                release_hold(order_id=order.id)
                if order.credit_to_hold_minor:
                    hold_credit(
                        customer_id=order.customer_id,
                        amount_minor=order.credit_to_hold_minor,
                        order_id=order.id,
                    )
            payment.status, payment.session_id = Payment.Status.OPEN, session.id
            payment.session_url, payment.needs_stripe_cleanup = session.url, False
            payment.save(update_fields=["status", "session_id", "session_url", "needs_stripe_cleanup"])
            if order.kind == Order.Kind.RENEWAL:
                # A renewal has no browser that waits for the answer, so a mail carries the link.
                _send_past_due_mail(order)
            else:
                queue_mail(Mail.ORDER_PLACED, order.id, delay=ORDER_MAIL_DELAY)
        elif payment.session_id != session.id:
            Payment.objects.filter(order=order).update(needs_stripe_cleanup=True)
            payment.needs_stripe_cleanup = True
        return order


def undo_checkout(*, order_id: UUID, by: Actor, why: str) -> Order:
    """Records that there is no session: slot, redemption and held credit go back, and the order has failed.

    Stripe may have a session for it nevertheless; the sweeper closes it.
    Locks: Order, Account, Redemption, the code's counter last. Transaction: owns. Idempotency: only a requested
    payment is undone.
    """
    with transaction.atomic():
        order = lock_order(order_id=order_id)
        payment = order.payment
        if payment.status != Payment.Status.REQUESTED:
            return order
        lock_account(customer_id=order.customer_id)
        moment = timezone.now()
        release_hold(order_id=order.id)
        order.status = Order.Status.FAILED
        order.save(update_fields=["status"])
        payment.status, payment.closed_at, payment.needs_stripe_cleanup = Payment.Status.FAILED, moment, True
        payment.refusal = why[:200]
        payment.save(update_fields=["status", "closed_at", "needs_stripe_cleanup", "refusal"])
        IdempotencyKey.objects.filter(customer_id=order.customer_id, result_id=order.id).delete()
        if order.renews is not None and order.renews.past_due_since == order.created_at:
            # The month's first request: without a link to send, the customer gets one mail.
            _send_past_due_mail(order)
        release_redemption(redemption=_reserved(order), reason=why, by=by, now=moment)
        return order


def _send_past_due_mail(order: Order) -> None:
    queue_mail(Mail.PAST_DUE, Invoice.objects.values_list("id", flat=True).get(order_id=order.id))


def _reserved(order: Order) -> Redemption | None:
    return Redemption.objects.filter(order_id=order.id, status=Redemption.Status.RESERVED).first()
