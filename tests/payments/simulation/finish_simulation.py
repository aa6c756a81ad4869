"""Bring a simulation to rest: end every fault, deliver every event, and do what is left to staff."""

from orders.models import Break, Order, Payment
from tests.payments.simulation.simulation import Simulation
from tests.payments.webhook_delivery import deliver_events
from tests.payments.worker import run_until_idle, run_waiting_jobs, sweep, unfinished_jobs

# Stripe repeats the stored answer of an idempotency key for a day.
KEY_LIFETIME_SECONDS = 86_401


def finish_simulation(simulation: Simulation) -> None:
    stripe = simulation.stripe
    stripe.heal()
    simulation.end_leases()
    _settle(simulation)
    for payment in _unreturned_payments():
        simulation.refund_at_stripe(payment, None)
    run_until_idle(stripe)


def _settle(simulation: Simulation) -> None:
    """Run the service until it is idle, if need be until Stripe no longer repeats a stored 500."""
    for _ in range(3):
        deliver_events(simulation.stripe)
        run_waiting_jobs()
        sweep()
    if unfinished_jobs():
        simulation.end_sessions()
        simulation.stripe.do("clock", seconds=KEY_LIFETIME_SECONDS, everything=True)
    run_until_idle(simulation.stripe)


def _unreturned_payments() -> list[Payment]:
    """Card payments for orders that are not in effect and whose refund Stripe refused, as a break shows staff."""
    breaks = Break.objects.filter(kind=Break.Kind.REFUND_FAILED, closed_at=None).values_list("order_id", flat=True)
    paid = Payment.objects.filter(order_id__in=list(breaks), status=Payment.Status.PAID)
    return [
        payment
        for payment in paid.exclude(order__status=Order.Status.COMPLETED)
        if payment.refunded_minor < payment.amount_minor
    ]
