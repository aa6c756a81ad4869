"""Gives Stripe the prices that its subscriptions have under a new rate of VAT, before the month that has it begins.

A subscription's price is wrong at Stripe where the next month, by the VAT of its first day, costs other than
`amount_minor`. That follows from the rates, the order and the period alone, so nothing else is stored: a run finds
what an earlier one left, and a rate that is entered late.

    1. list       its items at Stripe; if they are not ours, they were changed there, and staff see a break
    2. update     their prices, without proration: the month that was paid stays as it is
    3. record     the subscription's price here

Each subscription has a job of its own. A crash between the steps repeats them, and Stripe has the prices already.
"""

from collections import defaultdict
from itertools import islice
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from billing.models import Subscription
from orders.locks import lock_subscription
from orders.models import OrderLine
from orders.models.basket import Line
from orders.stripe import gateway
from orders.stripe import subscriptions as stripe_subscriptions
from orders.stripe.payloads import read_monthly_price
from orders.use_cases.checkout.month_price import has_net_prices, month_lines
from orders.use_cases.documents.vat import load_rates, points_at
from orders.use_cases.subscriptions.complete_renewal import RENEWABLE_STATUSES
from orders.use_cases.subscriptions.follow_subscription import record_price_change

MAX_BATCH = 1_000


def find_repriced_subscriptions() -> list[UUID]:
    """Finds the subscriptions whose next month costs other than Stripe knows. Two queries, and one a batch."""
    rates = load_rates()
    net = OrderLine.objects.filter(net_minor__isnull=False)
    charged = Subscription.objects.filter(
        Exists(net.filter(order_id=OuterRef("order_id"))),
        paid_by=Subscription.PaidBy.STRIPE,
        status__in=RENEWABLE_STATUSES,
    )
    remaining = charged.order_by("id").iterator(MAX_BATCH)
    found: list[UUID] = []
    while batch := list(islice(remaining, MAX_BATCH)):
        lines: dict[UUID, list[Line]] = defaultdict(list)
        for line in OrderLine.objects.filter(order_id__in=[each.order_id for each in batch]):
            lines[line.order_id].append(Line.of(line))
        for each in batch:
            basis_points = points_at(rates, each.current_period_end)
            if sum(line.at_rate(basis_points).price_minor for line in lines[each.order_id]) != each.amount_minor:
                found.append(each.id)
    return found


def send_prices(*, subscription_id: UUID) -> str:
    """Gives Stripe the prices of a subscription's next month. Returns: the outcome.

    Raises: gateway.Unanswered, gateway.Refused, gateway.NotConfigured; the job retries.
    Locks: Subscription. Transaction: owns, after the calls. Idempotency: Stripe is given a state, not a change.
    """
    subscription = Subscription.objects.get(id=subscription_id)
    lines = month_lines(subscription, starts_at=subscription.current_period_end)
    wanted_minor = sum(line.price_minor for line in lines)
    if (
        subscription.paid_by != Subscription.PaidBy.STRIPE
        or subscription.status not in RENEWABLE_STATUSES
        or not has_net_prices(lines)
        or wanted_minor == subscription.amount_minor
    ):
        return "unchanged"
    stripe_id = subscription.stripe_subscription_id
    items = stripe_subscriptions.list_items(stripe_id)
    charged_minor = read_monthly_price({"items": {"data": items}})
    is_known = charged_minor in (subscription.amount_minor, wanted_minor)
    if not is_known or sorted(map(stripe_subscriptions.read_slug, items)) != sorted(line.slug for line in lines):
        with transaction.atomic():
            record_price_change(subscription, charged_minor, ours_minor=subscription.amount_minor)
        return "changed_at_stripe"
    try:
        stripe_subscriptions.set_next_prices(stripe_id, items, lines, currency=subscription.currency)
    except gateway.Refused:
        if stripe_subscriptions.has_ended(stripe_id):
            return "ended"
        raise
    with transaction.atomic():
        # Races with a paid month's event, which moves the period: the next run compares that month.
        current = lock_subscription(subscription_id=subscription_id)
        if current.current_period_end == subscription.current_period_end:
            current.amount_minor = wanted_minor
            current.save(update_fields=["amount_minor"])
    return "sent"
