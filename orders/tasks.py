"""The worker's jobs. Each is a use case with a name; jobs are enqueued in the transaction that needs them."""

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app

from billing.actor import system_actor
from billing.use_cases.processor_settings import processor_keys
from orders.jobs import enqueue_once
from orders.models import Payment, StripeEvent
from orders.stripe import gateway
from orders.stripe.mirror import mirror_event
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.send_mail import send_mail as send
from orders.use_cases.organizations.provision_organization import provision_organization as provision
from orders.use_cases.payments import request_refund, settle_event, sweep_payments
from orders.use_cases.prune_expired import prune_expired
from orders.use_cases.reconciliation import reconcile_stripe
from orders.use_cases.subscriptions.end_subscription_at_stripe import end_at_stripe
from orders.use_cases.subscriptions.find_due_subscriptions import find_due_subscriptions
from orders.use_cases.subscriptions.follow_subscription import ask_subscription
from orders.use_cases.subscriptions.renew_subscription import renew_subscription

logger = logging.getLogger(__name__)

_DAILY_LOOK, _DAILY_TIME = timedelta(days=3), timedelta(minutes=1)
# Waits 2, 4, 8 … seconds between attempts, about nine hours in all; then the job is `failed` and shown to staff.
_PERSISTENT = RetryStrategy(max_attempts=14, exponential_wait=2)


@app.task(name="provision_organization", queue="default", retry=_PERSISTENT)
def provision_organization(order_id: str) -> None:
    """Takes a completed order to a live organization."""
    provision(order_id=UUID(order_id))


@app.periodic(cron="* * * * *")
@app.task(name="retry_stalled_jobs", queue="default", queueing_lock="retry_stalled_jobs", pass_context=True)
async def retry_stalled_jobs(context: JobContext, timestamp: int) -> None:
    """Puts the jobs of a worker that died back into the queue: one that was killed says no goodbye."""
    for job in await context.app.job_manager.get_stalled_jobs(seconds_since_heartbeat=30):
        await context.app.job_manager.retry_job(job)


@app.task(name="settle_stripe_event", queue="default", retry=_PERSISTENT)
def settle_stripe_event(event_id: str) -> None:
    """Settles an event of the inbox from its stored payload."""
    settle_event.settle_event(event_id=event_id)


@app.task(name="mirror_stripe_event", queue="default", retry=_PERSISTENT)
def mirror_stripe_event(event_id: str) -> None:
    """Mirrors what a settled event tells of into dj-stripe's tables; nothing that counts is read from there."""
    event = StripeEvent.objects.get(id=event_id)
    secret_key = processor_keys().secret_key
    if secret_key and event.mirrored_at is None:
        mirror_event(event.payload, secret_key=secret_key, api_base=settings.STRIPE_API_BASE)
        StripeEvent.objects.filter(id=event_id).update(mirrored_at=timezone.now())


@app.task(name="send_refund", queue="default", retry=_PERSISTENT)
def send_refund(refund_id: str) -> None:
    """Asks Stripe for an intended refund."""
    request_refund.send_refund(refund_id=UUID(refund_id), by=system_actor(channel="worker"))


@app.task(name="cancel_stripe_subscription", queue="default", retry=_PERSISTENT)
def cancel_stripe_subscription(subscription_id: str) -> None:
    """Ends at Stripe what has ended here."""
    end_at_stripe(stripe_id=subscription_id)


@app.task(name="ask_stripe_subscription", queue="default", retry=_PERSISTENT)
def ask_stripe_subscription(subscription_id: str) -> None:
    """Asks Stripe what a subscription is now."""
    ask_subscription(stripe_id=subscription_id, by=system_actor(channel="worker"))


@app.task(name="link_payment_intent", queue="default", retry=_PERSISTENT)
def link_payment_intent(order_id: str) -> None:
    """Asks Stripe which payment settled an order's invoice, so that refunds and disputes find the order."""
    payment = Payment.objects.get(order_id=UUID(order_id))
    if not payment.payment_intent_id:
        intent = gateway.payment_intent_of(invoice_id=payment.stripe_invoice_id)
        Payment.objects.filter(pk=payment.pk, payment_intent_id="").update(payment_intent_id=intent)


@app.periodic(cron="* * * * *")
@app.task(name="sweep_payments", queue="default", queueing_lock="sweep_payments")
def sweep(timestamp: int) -> None:
    """Finishes what a crash or a silent Stripe left open."""
    sweep_payments.sweep_payments()


@app.task(name="send_mail", queue="default", retry=_PERSISTENT, pass_context=True)
def send_mail(context: JobContext, mail: str, subject_id: str, event_id: str) -> None:
    """Writes to a customer; the job's own id tells a mail program that a second delivery is the same letter."""
    send(mail=Mail(mail), subject_id=UUID(subject_id), event_id=event_id, reference=f"job-{context.job.id}")


@app.periodic(cron="*/10 * * * *")
@app.task(name="renew_due_subscriptions", queue="default", queueing_lock="renew_due_subscriptions")
def renew_due_subscriptions(timestamp: int) -> None:
    """One job for each subscription whose month is over, so that one that fails holds up no other."""
    for due in find_due_subscriptions():
        enqueue_once("renew_subscription", key=f"subscription:{due}", subscription_id=str(due))


@app.task(name="renew_subscription", queue="default")
def renew(subscription_id: str) -> None:
    """Renews what is due; what fails is tried again by the next run."""
    renew_subscription(subscription_id=UUID(subscription_id), by=system_actor(channel="worker", user_id="renewals"))


@app.periodic(cron="*/10 * * * *")
@app.task(name="prune_expired", queue="default", queueing_lock="prune_expired")
def prune(timestamp: int) -> None:
    """Removes what nobody asks for any more, some at a time."""
    prune_expired()


@app.periodic(cron="23 3 * * *")
@app.task(name="reconcile_with_stripe", queue="default", queueing_lock="reconcile_with_stripe")
def reconcile_with_stripe(timestamp: int) -> None:
    """Compares with Stripe and repairs nothing, so that staff see what does not add up; one job a part.

    A job for each, so that what customers wait for runs in between.
    """
    for part in reconcile_stripe.PARTS if processor_keys().secret_key else [reconcile_stripe.LEDGER]:
        enqueue_once("reconcile_part", key=f"reconcile:{part}", part=part)


@app.task(name="reconcile_part", queue="default")
def reconcile_part(part: str) -> None:
    """One part of the daily comparison, of the last days, for a minute at the most."""
    done = reconcile_stripe.reconcile_stripe(
        since=_DAILY_LOOK,
        within=_DAILY_TIME,
        repair=False,
        by=system_actor(channel="worker", user_id="reconciliation"),
        parts=[part],
    )
    for name, why in done.unread.items():
        logger.warning("%s not compared with Stripe: %s", name, why)
    if done.open:
        logger.warning("%s breaks of %s are open", len(done.open), part)
