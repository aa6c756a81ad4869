"""Renewals: at the end of a period a subscription gets its next invoice, or ends.

Events have Stripe's order: the invoice and the new period first, then the result of the payment.
"""

from config.devtools.stripe_sandbox.clock import BILLING, add_interval
from config.devtools.stripe_sandbox.resources.billing.invoices import collect, issue_invoice
from config.devtools.stripe_sandbox.resources.billing.subscriptions import (
    end_subscription,
    move_period,
    period_of,
    recurring_lines,
)
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World


def renew(world: World, subscription: Object) -> None:
    """Start the next period and charge for it, or end a subscription that ends with its period."""
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
    world.record_event("customer.subscription.updated", subscription, before)
    if invoice["status"] == "open":
        collect(world, invoice)
    if subscription["status"] != "canceled":
        world.store.set_timer(BILLING, next_end, "renew", subscription["id"])
