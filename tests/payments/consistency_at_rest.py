"""Check that the service's books agree with themselves and with Stripe's at rest, whatever happened before.

The service is at rest when every event is delivered, every job is done, and the sweeper finds nothing to do. Then no
redemption is reserved, no payment or refund is requested, and no payment needs cleanup at Stripe. A discrepancy
begins with the invariant that it breaks:

- cap: a code has at most as many live redemptions as its cap allows;
- once per customer: a customer has at most one live redemption of a code;
- all or nothing: a checkout that does not succeed leaves no trace;
- ledger: balances are the sums of entries, and never less than what is held;
- once: each request has one order, one spend, one session and one settlement, however often it is retried;
- announced once: each event and mail exists exactly once, if its change happened;
- charge: Stripe charges exactly the total less the applied credit.
"""

from django.db.models import Sum

from billing.models import Account, Hold, IdempotencyKey, LedgerEntry, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.models import Break, Order, OutboxEvent, Payment, Refund, StripeEvent
from orders.use_cases.subscriptions.credit_unused_month import find_prorated_minor
from promos.models import Redemption
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.payments.renewal_consistency import IN_EFFECT, find_card_renewal_disagreements, find_renewal_disagreements
from tests.payments.stripe_server import Object, Stripe

Discrepancies = list[str]

_STRIPE_ENDED = ("canceled", "incomplete_expired")


def assert_books_agree(stripe: Stripe) -> None:
    """Assert that nothing disagrees; the failure lists every discrepancy."""
    discrepancies = find_disagreements(stripe)
    assert not discrepancies, "\n".join(discrepancies)


def open_break_kinds() -> list[str]:
    """The kinds of the open breaks, oldest first."""
    return list(Break.objects.filter(closed_at=None).order_by("opened_at").values_list("kind", flat=True))


def refunded_at_stripe(stripe: Stripe) -> int:
    """The sum of all refunds at Stripe."""
    return sum(int(charge["amount_refunded"]) for charge in stripe.charges())


def find_disagreements(stripe: Stripe) -> Discrepancies:
    """Return every discrepancy of the books with themselves and with Stripe."""
    sessions = {each["client_reference_id"]: [] for each in stripe.sessions()}  # type: dict[str, list[Object]]
    for session in stripe.sessions():
        sessions[session["client_reference_id"]].append(session)
    money = _money(stripe)
    subscriptions = {each["id"]: each for each in stripe.subscriptions()}
    discrepancies = [*_ledger(), *_vouchers(), *_holds(), *_events(), *_nothing_is_left()]
    orders = Order.objects.select_related("payment", "customer").order_by("created_at")
    for order in orders:
        payment = getattr(order, "payment", None)
        discrepancies += _order(order)
        if payment is not None:
            discrepancies += _payment(payment, sessions.get(str(order.id), []), money.get(str(order.id), (0, 0)))
    known = {str(order.id) for order in orders}
    discrepancies += [f"once: Stripe has a session of no order: {each}" for each in sessions.keys() - known]
    discrepancies += [f"once: Stripe has money of no order: {each}" for each in money.keys() - known]
    discrepancies += _subscriptions(subscriptions, stripe.sessions())
    return [*discrepancies, *find_renewal_disagreements(), *find_card_renewal_disagreements(stripe)]


def _ledger() -> Discrepancies:
    verdict = verify_ledger()
    return [] if verdict.sound else [f"ledger: {verdict.row}: {verdict.wrong}"]


def _vouchers() -> Discrepancies:
    discrepancy = verify_redemptions()
    discrepancies = [f"cap: {': '.join(discrepancy)}"] if discrepancy else []
    for redemption in Redemption.objects.all():
        order = Order.objects.filter(id=redemption.order_id).first() if redemption.order_id else None
        if redemption.status == Redemption.Status.RESERVED:
            discrepancies.append(f"all or nothing: redemption {redemption.id} is reserved at rest")
        if order is not None and redemption.status == Redemption.Status.RELEASED:
            if order.status != Order.Status.FAILED:
                discrepancies.append(f"all or nothing: a voucher was given back for a {order.status} order")
        elif order is not None and hasattr(order, "payment") and _is_unknown(order.payment):
            discrepancies.append(
                "all or nothing: a voucher is spent, but no answer ever named a session of its order"
            )
    return discrepancies


def _is_unknown(payment: Payment) -> bool:
    """Return whether no answer ever named the payment's page. A paid session has no address any more."""
    return payment.session_url == "" and payment.status != Payment.Status.PAID


def _holds() -> Discrepancies:
    discrepancies = []
    for hold in Hold.objects.filter(status=Hold.Status.ACTIVE):
        order = Order.objects.filter(id=hold.order_id).first()
        if order is None or order.status != Order.Status.PENDING:
            discrepancies.append(
                f"all or nothing: a hold is stuck: {hold} of a {order.status if order else 'lost'} order"
            )
        elif hold.amount_minor != order.credit_to_hold_minor:
            discrepancies.append(f"ledger: {hold}, and the order uses {order.credit_to_hold_minor}")
    for account in Account.objects.all():
        held = Hold.objects.filter(account=account, status=Hold.Status.ACTIVE).aggregate(sum=Sum("amount_minor"))
        if account.held_minor != (held["sum"] or 0) or not 0 <= account.held_minor <= account.balance_minor:
            discrepancies.append(f"ledger: the account holds {account.held_minor} of {account.balance_minor}")
    return discrepancies


def _events() -> Discrepancies:
    announced = list(OutboxEvent.objects.filter(type="order.placed").values_list("order_id", flat=True))
    purchases = Order.objects.filter(kind=Order.Kind.PURCHASE, status__in=IN_EFFECT)
    in_effect = set(purchases.values_list("id", flat=True))
    discrepancies = [] if len(announced) == len(set(announced)) else ["announced once: an order was announced twice"]
    return (
        discrepancies
        if set(announced) == in_effect
        else [*discrepancies, f"announced once: {announced} were announced, {in_effect} are in effect"]
    )


def _nothing_is_left() -> Discrepancies:
    left = {
        "requested payments": Payment.objects.filter(status=Payment.Status.REQUESTED).count(),
        "payments that need cleanup": Payment.objects.filter(needs_stripe_cleanup=True).count(),
        "requested refunds": Refund.objects.filter(status=Refund.Status.REQUESTED).count(),
        "unsettled events": StripeEvent.objects.filter(settled_at=None).count(),
        "keys without an answer": IdempotencyKey.objects.filter(balance_after_minor=None).count(),
    }
    discrepancies = [f"all or nothing: {number} {what} at rest" for what, number in left.items() if number]
    orders = set(Order.objects.values_list("id", flat=True))
    for key in IdempotencyKey.objects.all():
        if key.result_id not in orders:
            discrepancies.append(f"once: the answer of key {key} names an order that does not exist")
    return discrepancies


def _order(order: Order) -> Discrepancies:
    """An order in effect spent its credit once and, unless it is a renewal, started one subscription."""
    net = LedgerEntry.objects.filter(order_id=order.id).exclude(kind=LedgerEntry.Kind.GRANT)
    spent_minor = -(net.exclude(redemption_id__isnull=False).aggregate(sum=Sum("amount_minor"))["sum"] or 0)
    expected = order.credit_applied_minor if order.status == Order.Status.COMPLETED else 0
    discrepancies = []
    if spent_minor != expected:
        discrepancies.append(f"once: a {order.status} order spent {spent_minor}, not {expected}")
    subscribed = Subscription.objects.filter(order_id=order.id).count()
    if subscribed != (order.kind == Order.Kind.PURCHASE and order.status in IN_EFFECT):
        discrepancies.append(f"all or nothing: a {order.status} order has {subscribed} subscriptions")
    if order.status == Order.Status.PENDING:
        held = Hold.objects.filter(order_id=order.id, status=Hold.Status.ACTIVE).count()
        if held != bool(order.credit_to_hold_minor):
            discrepancies.append(f"all or nothing: a pending order has {held} holds")
    return discrepancies


def _payment(payment: Payment, sessions: list[Object], money: tuple[int, int]) -> Discrepancies:
    """A payment has one session at most, open while the order is pending, and the money matches the order."""
    order = payment.order
    charged_minor, returned_minor = money
    discrepancies = []
    payable = [each["id"] for each in sessions if each["status"] == "open"]
    if order.status == Order.Status.PENDING and payment.status == Payment.Status.OPEN:
        if payable != [payment.session_id]:
            discrepancies.append(f"once: a pending order has {payable} to pay, not {payment.session_id}")
    elif payable:
        discrepancies.append(f"once: {payable} can be paid for a {order.status} order")
    for session in sessions:
        if session["amount_total"] != payment.amount_minor:
            discrepancies.append(f"charge: Stripe asks for {session['amount_total']}, not {payment.amount_minor}")
    paid = [each["id"] for each in sessions if each["payment_status"] == "paid"]
    if (paid == [payment.session_id]) != (payment.status == Payment.Status.PAID):
        discrepancies.append(f"once: Stripe was paid {paid}, the payment is {payment.status}")
    if charged_minor != (payment.amount_minor if payment.status == Payment.Status.PAID else 0):
        discrepancies.append(f"once: {charged_minor} charged for a payment that is {payment.status}")
    if returned_minor != payment.refunded_minor:
        discrepancies.append(f"once: Stripe gave back {returned_minor}, the books say {payment.refunded_minor}")
    kept_minor = charged_minor - returned_minor
    if order.status != Order.Status.COMPLETED and not _is_rightly_kept(kept_minor, payment):
        discrepancies.append(f"all or nothing: {kept_minor} of the card payment is kept for a {order.status} order")
    return discrepancies


def _is_rightly_kept(kept_minor: int, payment: Payment) -> bool:
    """Return whether the card keeps its credited part. Only refunds made at Stripe itself may leave less than it."""
    excess_minor = _kept_for_credited_month(payment.order) - kept_minor
    ours = Refund.objects.filter(payment=payment, status=Refund.Status.DONE).aggregate(sum=Sum("amount_minor"))
    return excess_minor == 0 or 0 < excess_minor <= payment.refunded_minor - (ours["sum"] or 0)


def _kept_for_credited_month(order: Order) -> int:
    """The amount that the card pays of an order that was refunded after its unused month, if its credit is less."""
    prorated_minor = find_prorated_minor(order_id=order.id) if order.status == Order.Status.REFUNDED else 0
    return max(0, -(-(prorated_minor - order.credit_applied_minor) // 10) * 10)


def _money(stripe: Stripe) -> dict[str, tuple[int, int]]:
    """The amounts charged to and returned to cards for each order's first month."""
    order_of = {}
    for session in stripe.sessions():
        if session["invoice"]:
            for paid in stripe.all("invoice_payments", invoice=session["invoice"]):
                order_of[paid["payment"]["payment_intent"]] = session["client_reference_id"]
        elif session["payment_intent"]:
            order_of[session["payment_intent"]] = session["client_reference_id"]
    money: dict[str, tuple[int, int]] = {}
    for charge in stripe.charges():
        order_id = order_of.get(charge["payment_intent"])
        if order_id is not None and charge["status"] == "succeeded":
            charged, returned = money.get(order_id, (0, 0))
            money[order_id] = (charged + charge["amount"], returned + charge["amount_refunded"])
    return money


def _subscriptions(at_stripe: dict[str, Object], sessions: list[Object]) -> Discrepancies:
    """Stripe has a live subscription for exactly the subscriptions that are live here."""
    live_here = set(
        Subscription.objects.exclude(status__in=ENDED_STATUSES)
        .exclude(stripe_subscription_id="")
        .values_list("stripe_subscription_id", flat=True)
    )
    # Stripe starts a subscription while its bank debit is still processing; a failed debit makes it past due.
    processing = {
        each["subscription"]
        for each in sessions
        if (each["status"], each["payment_status"]) == ("complete", "unpaid")
    }
    live_at_stripe = {
        name
        for name, each in at_stripe.items()
        if each["status"] not in _STRIPE_ENDED and not (name in processing and each["status"] == "active")
    }
    return (
        []
        if live_here == live_at_stripe
        else [f"once: Stripe charges for {live_at_stripe}, subscribed are {live_here}"]
    )
