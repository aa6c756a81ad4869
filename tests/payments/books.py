"""What must agree at rest, whatever happened: our books with themselves, and with what Stripe holds.

`I1` to `I7` are DESIGN's invariants. Rest is when every event is delivered, every job done, and the sweeper finds
nothing to do; then nothing may be reserved, requested or stray any more.
"""

from django.db.models import Sum

from billing.models import Account, Hold, LedgerEntry, Subscription
from billing.models.subscription import ENDED_STATUSES
from billing.use_cases.verify_ledger import verify_ledger
from orders.models import IdempotencyKey, Order, OutboxEvent, Payment, Refund, StripeEvent
from promos.models import Redemption
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.payments.renewal_books import IN_EFFECT, card_renewals_disagree, renewals_disagree
from tests.payments.stripe_process import Object, Stripe

Faults = list[str]

_STRIPE_ENDED = ("canceled", "incomplete_expired")


def books_agree(stripe: Stripe) -> None:
    """Asserts all of it, and names every break at once."""
    faults = disagreements(stripe)
    assert not faults, "\n".join(faults)


def disagreements(stripe: Stripe) -> Faults:
    sessions = {each["client_reference_id"]: [] for each in stripe.sessions()}  # type: dict[str, list[Object]]
    for session in stripe.sessions():
        sessions[session["client_reference_id"]].append(session)
    money = _money(stripe)
    subscriptions = {each["id"]: each for each in stripe.subscriptions()}
    faults = [*_ledger(), *_vouchers(), *_holds(), *_events(), *_nothing_is_left()]
    orders = Order.objects.select_related("payment", "customer").order_by("created_at")
    for order in orders:
        payment = getattr(order, "payment", None)
        faults += _order(order)
        if payment is not None:
            faults += _payment(payment, sessions.get(str(order.id), []), money.get(str(order.id), (0, 0)))
    known = {str(order.id) for order in orders}
    faults += [f"I5: Stripe has a session of no order: {each}" for each in sessions.keys() - known]
    faults += [f"I5: Stripe has money of no order: {each}" for each in money.keys() - known]
    faults += _subscriptions(subscriptions, stripe.sessions())
    return [*faults, *renewals_disagree(), *card_renewals_disagree(stripe)]


def _ledger() -> Faults:
    verdict = verify_ledger()
    return [] if verdict.sound else [f"I4: {verdict.row}: {verdict.wrong}"]


def _vouchers() -> Faults:
    fault = verify_redemptions()
    faults = [f"I1: {': '.join(fault)}"] if fault else []
    for redemption in Redemption.objects.all():
        order = Order.objects.filter(id=redemption.order_id).first() if redemption.order_id else None
        if redemption.status == Redemption.Status.RESERVED:
            faults.append(f"I3: redemption {redemption.id} is reserved at rest")
        if order is not None and redemption.status == Redemption.Status.RELEASED:
            if order.status != Order.Status.FAILED:
                faults.append(f"I3: a voucher was given back for a {order.status} order")
        elif order is not None and hasattr(order, "payment") and _is_unknown(order.payment):
            faults.append("I3: a voucher is burned: its order never had a session that anybody was told of")
    return faults


def _is_unknown(payment: Payment) -> bool:
    """Nobody was ever told where to pay it. A session that is complete has no address any more."""
    return payment.session_url == "" and payment.status != Payment.Status.PAID


def _holds() -> Faults:
    faults = []
    for hold in Hold.objects.filter(status=Hold.Status.ACTIVE):
        order = Order.objects.filter(id=hold.order_id).first()
        if order is None or order.status != Order.Status.PENDING:
            faults.append(f"I3: a hold is stuck: {hold} of a {order.status if order else 'lost'} order")
        elif hold.amount_minor != order.credit_applied_minor:
            faults.append(f"I4: {hold}, and the order uses {order.credit_applied_minor}")
    for account in Account.objects.all():
        held = Hold.objects.filter(account=account, status=Hold.Status.ACTIVE).aggregate(sum=Sum("amount_minor"))
        if account.held_minor != (held["sum"] or 0) or not 0 <= account.held_minor <= account.balance_minor:
            faults.append(f"I4: the account holds {account.held_minor} of {account.balance_minor}")
    return faults


def _events() -> Faults:
    told = list(OutboxEvent.objects.filter(type="order.placed").values_list("order_id", flat=True))
    purchases = Order.objects.filter(kind=Order.Kind.PURCHASE, status__in=IN_EFFECT)
    in_effect = set(purchases.values_list("id", flat=True))
    faults = [] if len(told) == len(set(told)) else ["I6: an order was told of twice"]
    return faults if set(told) == in_effect else [*faults, f"I6: told of {told}, in effect are {in_effect}"]


def _nothing_is_left() -> Faults:
    left = {
        "requested payments": Payment.objects.filter(status=Payment.Status.REQUESTED).count(),
        "stray payments": Payment.objects.filter(needs_stripe_cleanup=True).count(),
        "requested refunds": Refund.objects.filter(status=Refund.Status.REQUESTED).count(),
        "unsettled events": StripeEvent.objects.filter(settled_at=None).count(),
        "keys without an answer": IdempotencyKey.objects.filter(balance_after_minor=None).count(),
    }
    faults = [f"I3: {number} {what} at rest" for what, number in left.items() if number]
    orders = set(Order.objects.values_list("id", flat=True))
    for key in IdempotencyKey.objects.all():
        if key.order_id not in orders:
            faults.append(f"I5: the key {key} has an answer about no order")
    return faults


def _order(order: Order) -> Faults:
    """An order in effect has its credit spent once and, if it is no renewal, is subscribed; others have neither."""
    net = LedgerEntry.objects.filter(order_id=order.id).exclude(kind=LedgerEntry.Kind.GRANT)
    spent_minor = -(net.exclude(redemption_id__isnull=False).aggregate(sum=Sum("amount_minor"))["sum"] or 0)
    expected = order.credit_applied_minor if order.status == Order.Status.COMPLETED else 0
    faults = []
    if spent_minor != expected:
        faults.append(f"I5: a {order.status} order spent {spent_minor}, not {expected}")
    subscribed = Subscription.objects.filter(order_id=order.id).count()
    if subscribed != (order.kind == Order.Kind.PURCHASE and order.status in IN_EFFECT):
        faults.append(f"I3: a {order.status} order has {subscribed} subscriptions")
    if order.status == Order.Status.PENDING:
        held = Hold.objects.filter(order_id=order.id, status=Hold.Status.ACTIVE).count()
        if held != bool(order.credit_applied_minor):
            faults.append(f"I3: a pending order has {held} holds")
    return faults


def _payment(payment: Payment, sessions: list[Object], money: tuple[int, int]) -> Faults:
    """One session at most, open exactly while the order is pending, and the money where the order says it is."""
    order = payment.order
    charged_minor, returned_minor = money
    faults = []
    payable = [each["id"] for each in sessions if each["status"] == "open"]
    if order.status == Order.Status.PENDING and payment.status == Payment.Status.OPEN:
        if payable != [payment.session_id]:
            faults.append(f"I5: a pending order has {payable} to pay, not {payment.session_id}")
    elif payable:
        faults.append(f"I5: {payable} can be paid for a {order.status} order")
    for session in sessions:
        if session["amount_total"] != payment.amount_minor:
            faults.append(f"I7: Stripe asks for {session['amount_total']}, not {payment.amount_minor}")
    paid = [each["id"] for each in sessions if each["payment_status"] == "paid"]
    if (paid == [payment.session_id]) != (payment.status == Payment.Status.PAID):
        faults.append(f"I5: Stripe was paid {paid}, the payment is {payment.status}")
    if charged_minor != (payment.amount_minor if payment.status == Payment.Status.PAID else 0):
        faults.append(f"I5: {charged_minor} charged for a payment that is {payment.status}")
    if returned_minor != payment.refunded_minor:
        faults.append(f"I5: Stripe gave back {returned_minor}, the books say {payment.refunded_minor}")
    kept_minor = charged_minor - returned_minor
    if order.status != Order.Status.COMPLETED and kept_minor:
        faults.append(f"I3: {kept_minor} of the customer's is kept for a {order.status} order")
    return faults


def _money(stripe: Stripe) -> dict[str, tuple[int, int]]:
    """What cards paid and got back for each order's first month."""
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


def _subscriptions(at_stripe: dict[str, Object], sessions: list[Object]) -> Faults:
    """Stripe charges by the month for exactly what is subscribed here."""
    ours = set(
        Subscription.objects.exclude(status__in=ENDED_STATUSES)
        .exclude(stripe_subscription_id="")
        .values_list("stripe_subscription_id", flat=True)
    )
    # Stripe begins a subscription while a bank debit is still on its way; one that came back makes it past due.
    on_its_way = {
        each["subscription"]
        for each in sessions
        if (each["status"], each["payment_status"]) == ("complete", "unpaid")
    }
    theirs = {
        name
        for name, each in at_stripe.items()
        if each["status"] not in _STRIPE_ENDED and not (name in on_its_way and each["status"] == "active")
    }
    return [] if ours == theirs else [f"I5: Stripe charges for {theirs}, subscribed are {ours}"]
