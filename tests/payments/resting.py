"""From the middle of a game to rest: everything is healed and delivered, and what is left to people is done."""

from orders.models import Break, Order, Payment
from tests.payments.shopping import deliver
from tests.payments.town import Town
from tests.payments.working import sweep, waiting_jobs, work, work_until_quiet

DAY_SECONDS = 86_401


def come_to_rest(town: Town) -> None:
    stripe = town.stripe
    stripe.heal()
    town.end_leases()
    _settle(town)
    for payment in _kept():
        town.refund_at_stripe(payment, None)
    work_until_quiet(stripe)


def _settle(town: Town) -> None:
    """An answer of 500 that is stored for a key is given for a day."""
    for _ in range(3):
        deliver(town.stripe)
        work()
        sweep()
    if waiting_jobs():
        town.end_sessions()
        town.stripe.do("clock", seconds=DAY_SECONDS, everything=True)
    work_until_quiet(town.stripe)


def _kept() -> list[Payment]:
    """What staff were told of: a card's money for an order that is not in effect, whose refund Stripe refused."""
    told = Break.objects.filter(kind=Break.Kind.REFUND_FAILED, closed_at=None).values_list("order_id", flat=True)
    kept = Payment.objects.filter(order_id__in=list(told), status=Payment.Status.PAID)
    return [
        payment
        for payment in kept.exclude(order__status=Order.Status.COMPLETED)
        if payment.refunded_minor < payment.amount_minor
    ]
