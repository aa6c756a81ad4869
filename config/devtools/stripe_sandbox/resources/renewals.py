"""The end of a subscription's period: the next invoice, in full, or the end of the subscription.

Events come in Stripe's order: the invoice and the new period first, then how the payment went.
"""

from config.devtools.stripe_sandbox.clock import BILLING, add_interval
from config.devtools.stripe_sandbox.resources.invoices import collect, issue_invoice
from config.devtools.stripe_sandbox.resources.subscriptions import (
    end_subscription,
    move_period,
    period_of,
    recurring_lines,
)
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World


def renew(world: World, subscription: Object) -> None:
    """Begin the next period and ask for its price, unless the subscription was to end with this one."""
    if subscription["status"] == "canceled":
        return
    if subscription["cancel_at_period_end"]:
        end_subscription(world, subscription, reason="cancellation_requested")
        return
    start, end = period_of(subscription)
    periods = subscription["_sandbox"]["periods"] + 1
    recurring = subscription["items"]["data"][0]["price"]["recurring"]
    next_end = add_interval(
        subscription["billing_cycle_anchor"], recurring["interval"], periods * recurring["interval_count"]
    )
    world.change(subscription, _sandbox={"periods": periods, "previous_period": [start, end]})
    before = move_period(world, subscription, end, next_end)
    invoice = issue_invoice(world, subscription, recurring_lines(subscription), reason="subscription_cycle")
    world.tell("customer.subscription.updated", subscription, before)
    if invoice["status"] == "open":
        collect(world, invoice)
    if subscription["status"] != "canceled":
        world.store.set_timer(BILLING, next_end, "renew", subscription["id"])
