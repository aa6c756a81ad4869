"""The worker's jobs. Each calls one use case. A job is enqueued in the transaction of the change that needs it."""

import logging
import time
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app

from billing.actor import system_actor
from billing.jobs import FIRST, enqueue_once
from billing.use_cases.ledger.verify_ledger import verify_and_record_ledger
from billing.use_cases.outside_calls import are_outside_calls_held
from billing.use_cases.processor_settings import processor_keys
from orders.api.provisioning.reports import parse_report
from orders.errors import PaymentProcessorError
from orders.models import AppJob, Payment, Provision
from orders.stripe import gateway
from orders.use_cases.balance import mirror_balance as balance
from orders.use_cases.books.close_month import verify_and_record_months
from orders.use_cases.documents import issue_documents as documents
from orders.use_cases.events.apply_dead_letter import apply_dead_letter as apply_again
from orders.use_cases.events.deliver_events import deliver_events as deliver
from orders.use_cases.events.receive_events import receive_events as receive
from orders.use_cases.figures.refresh_figures import refresh_figures
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.remind_of_renewal import remind_of_renewals as renewals_ahead
from orders.use_cases.mail.send_mail import send_mail as send
from orders.use_cases.organizations import close_open_payment as close_payment
from orders.use_cases.payments import find_event_owner, request_refund, settle_event, sweep_payments
from orders.use_cases.payments.mirror_events import MAX_MIRROR_ATTEMPTS, mirror_events
from orders.use_cases.payments.send_email_to_stripe import send_email_to_stripe
from orders.use_cases.personal.finish_erasure import finish_erasure as finish
from orders.use_cases.provisioning.play_steps import play_next_step, provision_order
from orders.use_cases.prune_expired import prune_expired
from orders.use_cases.reconciliation import reconcile_stripe
from orders.use_cases.subscriptions.cancel_subscription import find_unsent_cancellations
from orders.use_cases.subscriptions.cancel_subscription import send_cancellation as send_cancellation_to_stripe
from orders.use_cases.subscriptions.end_subscription_at_stripe import end_subscription_at_stripe
from orders.use_cases.subscriptions.find_due_subscriptions import find_due_subscriptions
from orders.use_cases.subscriptions.follow_subscription import refetch_subscription
from orders.use_cases.subscriptions.follow_vat_rate import find_repriced_subscriptions
from orders.use_cases.subscriptions.follow_vat_rate import send_prices as send_prices_to_stripe
from orders.use_cases.subscriptions.pay_stripe_months import find_payable_subscriptions
from orders.use_cases.subscriptions.pay_stripe_months import pay_stripe_months as pay_months
from orders.use_cases.subscriptions.pay_stripe_months import settle_month_at_stripe as settle_month
from orders.use_cases.subscriptions.renew_subscription import renew_subscription
from orders.use_cases.webhooks.deliver_webhooks import deliver_webhooks as send_webhooks
from promos.use_cases.verify_redemptions import verify_and_record_redemptions

logger = logging.getLogger(__name__)

_DAILY_WINDOW, _DAILY_TIME_LIMIT = timedelta(days=3), timedelta(minutes=1)
_EVENT_OVERLAP = timedelta(minutes=20)
# A little less than the time between two rounds. A worker that stops waits for the round to end.
_DELIVERY_SECONDS = 19
# Waits 2, 4, 8 … seconds between attempts, about nine hours in all. Then the job is `failed`, and staff see it.
_RETRIES = RetryStrategy(max_attempts=14, exponential_wait=2)
# Waits 10, 20, 30 … seconds, nine hours in all too. New events of the customer wait with it, so no wait is long.
_MIRROR_RETRIES = RetryStrategy(max_attempts=MAX_MIRROR_ATTEMPTS, linear_wait=10)


@app.task(name="provision_organization", queue="provisioning", retry=_RETRIES)
def provision_organization(order_id: str) -> None:
    """Deploys what a completed order bought. Without a provisioner, the worker completes the steps itself."""
    provision = provision_order(order_id=UUID(order_id))
    _play_steps(Provision, provision.pk)


@app.task(name="run_app_job", queue="provisioning", retry=_RETRIES)
def run_app_job(job_id: str) -> None:
    """Installs or removes an app. Without a provisioner, the worker completes the steps itself."""
    _play_steps(AppJob, UUID(job_id))


def _play_steps(model: type[Provision] | type[AppJob], key: UUID) -> None:
    """Plays a step a tick, so that clients that poll see each one. No connection is held between them."""
    while play_next_step(model, key):
        if settings.PLAYED_STEP_SECONDS:
            connection.close()
            time.sleep(settings.PLAYED_STEP_SECONDS)


@app.task(name="settle_stripe_event", queue="events", retry=_RETRIES)
def settle_stripe_event(event_id: str) -> None:
    """Settles an event of the inbox from its stored payload."""
    settle_event.try_event(event_id=event_id)


@app.task(name="find_charge_owner", queue="payments", retry=_RETRIES)
def find_charge_owner(event_id: str) -> None:
    """Finds the order or month of a refund whose event names neither."""
    find_event_owner.find_charge_owner(event_id=event_id)


@app.task(name="settle_long_invoice", queue="payments", retry=_RETRIES)
def settle_long_invoice(event_id: str) -> None:
    """Settles an invoice's event that does not hold all lines."""
    find_event_owner.settle_long_invoice(event_id=event_id)


@app.task(name="mirror_stripe_event", queue="mirror", retry=_MIRROR_RETRIES)
def mirror_stripe_event(event_id: str) -> None:
    """Copies what this event and the others of its customer are about into dj-stripe's tables, which staff read."""
    if secret_key := processor_keys().secret_key:
        mirror_events(event_id=event_id, secret_key=secret_key)


@app.task(name="send_refund", queue="payments", retry=_RETRIES)
def send_refund(refund_id: str) -> None:
    """Sends a requested refund to Stripe."""
    request_refund.send_refund(refund_id=UUID(refund_id), by=system_actor(channel="worker"))


@app.task(name="close_open_payment", queue="payments", retry=_RETRIES)
def close_open_payment(organization_id: str, why: str) -> None:
    """Closes a payment that was still open when its organization ended. Fails, to be retried, until it is closed."""
    by = system_actor(channel="worker")
    if not close_payment.close_open_payment(organization_id=UUID(organization_id), why=why, by=by):
        raise PaymentProcessorError


@app.task(name="update_stripe_email", queue="payments", retry=_RETRIES)
def update_stripe_email(user_id: str) -> None:
    """Gives Stripe's customer the e-mail address that the user has now."""
    send_email_to_stripe(user_id=user_id)


@app.task(name="cancel_stripe_subscription", queue="payments", retry=_RETRIES)
def cancel_stripe_subscription(subscription_id: str) -> None:
    """Ends a subscription at Stripe that has ended here."""
    end_subscription_at_stripe(stripe_id=subscription_id)


@app.task(name="refetch_stripe_subscription", queue="payments", retry=_RETRIES)
def refetch_stripe_subscription(subscription_id: str) -> None:
    """Retrieves a subscription from Stripe and applies its state."""
    refetch_subscription(stripe_id=subscription_id, by=system_actor(channel="worker"))


@app.task(name="link_payment_intent", queue="payments", retry=_RETRIES)
def link_payment_intent(order_id: str) -> None:
    """Stores which payment settled an order's invoice, so that events of refunds and disputes find the order."""
    payment = Payment.objects.get(order_id=UUID(order_id))
    if not payment.payment_intent_id:
        intent = gateway.find_payment_intent(invoice_id=payment.stripe_invoice_id)
        Payment.objects.filter(pk=payment.pk, payment_intent_id="").update(payment_intent_id=intent)


# The sixth field is seconds: an abandoned slot is free within 30 of them.
@app.periodic(cron="* * * * * */10")
@app.task(
    name="release_abandoned_checkouts", queue="events", priority=FIRST, queueing_lock="release_abandoned_checkouts"
)
def release_abandoned(timestamp: int) -> None:
    """Frees slots and credit of checkouts whose web process died while it waited for Stripe."""
    sweep_payments.release_abandoned_checkouts()


@app.periodic(cron="* * * * *")
@app.task(name="sweep_payments", queue="payments", priority=FIRST, queueing_lock="sweep_payments")
def sweep(timestamp: int) -> None:
    """Finishes payments that a crash or an unanswered call to Stripe left open."""
    sweep_payments.sweep_payments()


@app.task(name="mirror_balance", queue="payments", retry=_RETRIES)
def mirror_balance() -> None:
    """Books the fees and payouts of Stripe's balance, after an event that may have brought one.

    It reads little: at a payment a second, a run that read the week would read it without end.
    """
    if gateway.is_configured():
        balance.mirror_balance(overlap=_EVENT_OVERLAP)


@app.periodic(cron="11 * * * *")
@app.task(name="mirror_balance_regularly", queue="payments", queueing_lock="mirror_balance_regularly")
def mirror_balance_regularly(timestamp: int) -> None:
    """Books the fees and payouts whose events were lost or late, and on the first day all of before."""
    if gateway.is_configured():
        balance.mirror_balance()


@app.periodic(cron="* * * * * */20")
@app.task(
    name="deliver_events", queue="events", priority=FIRST, lock="deliver_events", queueing_lock="deliver_events"
)
def deliver_events(timestamp: int) -> None:
    """Delivers recorded events to the broker until the next round begins."""
    if settings.EVENTS_URL and not are_outside_calls_held():
        deliver(seconds=_DELIVERY_SECONDS)


@app.periodic(cron="* * * * * */20")
@app.task(
    name="receive_events", queue="events", priority=FIRST, lock="receive_events", queueing_lock="receive_events"
)
def receive_events(timestamp: int) -> None:
    """Applies the events of other systems until the next round begins."""
    if settings.EVENTS_URL and not are_outside_calls_held():
        receive(seconds=_DELIVERY_SECONDS, parse_report=parse_report)


@app.periodic(cron="* * * * *")
@app.task(name="issue_documents", queue="default", lock="issue_documents", queueing_lock="issue_documents")
def issue_documents(timestamp: int) -> None:
    """Issues the invoices, receipts and credit notes of what was paid and paid back since the last round."""
    documents.issue_documents()


@app.task(name="apply_dead_letter", queue="events", retry=_RETRIES)
def apply_dead_letter(dead_letter_id: str) -> None:
    """Applies an event that was set aside again, because staff asked for it."""
    apply_again(dead_letter_id=UUID(dead_letter_id), parse_report=parse_report)


@app.periodic(cron="* * * * * */20")
@app.task(
    name="deliver_webhooks", queue="events", priority=FIRST, lock="deliver_webhooks", queueing_lock="deliver_webhooks"
)
def deliver_webhooks(timestamp: int) -> None:
    """Sends events to the endpoints of subscribers until the next round begins."""
    if not are_outside_calls_held():
        send_webhooks(seconds=_DELIVERY_SECONDS)


@app.task(name="finish_erasure", queue="default", retry=_RETRIES)
def finish_erasure(customer_id: str) -> None:
    """Removes an erased customer from history, and mails the confirmation."""
    finish(customer_id=int(customer_id))


@app.task(name="send_mail", queue="mail", retry=_RETRIES, pass_context=True)
def send_mail(context: JobContext, mail: str, subject_id: str, event_id: str) -> None:
    """Sends a mail. Its Message-ID comes from the job's id, so that mail programs recognize a second delivery."""
    send(mail=Mail(mail), subject_id=UUID(subject_id), event_id=event_id, reference=f"job-{context.job.id}")


@app.periodic(cron="*/10 * * * *")
@app.task(name="renew_due_subscriptions", queue="payments", queueing_lock="renew_due_subscriptions")
def renew_due_subscriptions(timestamp: int) -> None:
    """Adds one job for each due subscription, so that one that fails does not stop the others."""
    for due in find_due_subscriptions():
        enqueue_once("renew_subscription", key=f"subscription:{due}", subscription_id=str(due))
    for payable in find_payable_subscriptions():
        enqueue_once("pay_stripe_months", key=f"subscription:{payable}", subscription_id=str(payable))
    for unsent in find_unsent_cancellations():
        enqueue_once("send_cancellation", key=f"cancellation:{unsent}", subscription_id=str(unsent))


@app.periodic(cron="17 * * * *")
@app.task(name="follow_vat_rate", queue="payments", queueing_lock="follow_vat_rate")
def follow_vat_rate(timestamp: int) -> None:
    """Adds one job for each subscription whose price at Stripe a new rate of VAT has changed."""
    if gateway.is_configured():
        for repriced in find_repriced_subscriptions():
            enqueue_once("send_prices", key=f"prices:{repriced}", subscription_id=str(repriced))


@app.task(name="send_prices", queue="payments", retry=_RETRIES)
def send_prices(subscription_id: str) -> None:
    """Gives Stripe the prices of a subscription's next month."""
    send_prices_to_stripe(subscription_id=UUID(subscription_id))


@app.periodic(cron="41 5 * * *")
@app.task(name="remind_of_renewals", queue="default", queueing_lock="remind_of_renewals")
def remind_of_renewals(timestamp: int) -> None:
    """Queues a mail for each renewal that is near, once for each month."""
    renewals_ahead()


@app.task(name="pay_stripe_months", queue="payments")
def pay_stripe_months(subscription_id: str) -> None:
    """Pays from credit the months that the card did not pay. A failure is retried by the next run."""
    by = system_actor(channel="worker", user_id="renewals")
    pay_months(subscription_id=UUID(subscription_id), by=by, now=timezone.now())


@app.task(name="send_cancellation", queue="payments", retry=_RETRIES)
def send_cancellation(subscription_id: str) -> None:
    """Tells Stripe whether a subscription ends with its period."""
    send_cancellation_to_stripe(subscription_id=UUID(subscription_id))


@app.task(name="settle_month_at_stripe", queue="payments", retry=_RETRIES)
def settle_month_at_stripe(order_id: str) -> None:
    """Tells Stripe that credit has paid a month whose charge to the card had failed."""
    settle_month(order_id=UUID(order_id), by=system_actor(channel="worker", user_id="renewals"))


@app.task(name="renew_subscription", queue="payments")
def renew(subscription_id: str) -> None:
    """Renews the due months of a subscription. A failure is retried by the next run."""
    renew_subscription(subscription_id=UUID(subscription_id), by=system_actor(channel="worker", user_id="renewals"))


@app.periodic(cron="*/10 * * * *")
@app.task(name="prune_expired", queue="default", queueing_lock="prune_expired")
def prune(timestamp: int) -> None:
    """Deletes expired rows, in batches."""
    prune_expired()


@app.periodic(cron="7 3 * * *")
@app.task(name="refresh_figures", queue="books", queueing_lock="refresh_figures")
def refresh_credit_figures(timestamp: int) -> None:
    """Computes every night what became of the credit that vouchers granted."""
    refresh_figures()


@app.periodic(cron="43 3 * * *")
@app.task(name="verify_books", queue="books", queueing_lock="verify_books")
def verify_books(timestamp: int) -> None:
    """Recomputes the ledger, the vouchers' counts and the closed months every night.

    Monitoring tells a fault, and an old result.
    """
    for fault in (verify_and_record_ledger().fault, verify_and_record_redemptions(), verify_and_record_months()[1]):
        if fault:
            logger.error("the books do not add up: %s", fault)


@app.periodic(cron="23 3 * * *")
@app.task(name="reconcile_with_stripe", queue="books", queueing_lock="reconcile_with_stripe")
def reconcile_with_stripe(timestamp: int) -> None:
    """Starts the daily comparison with Stripe, which repairs nothing: staff see each break in the console.

    Each part is a job of its own, so that jobs that customers wait for run between them.
    """
    for part in reconcile_stripe.PARTS if processor_keys().secret_key else reconcile_stripe.LOCAL_PARTS:
        enqueue_once("reconcile_part", key=f"reconcile:{part}", part=part)


@app.task(name="reconcile_part", queue="books")
def reconcile_part(part: str) -> None:
    """Compares one part of the last days, for a minute at most."""
    result = reconcile_stripe.reconcile_stripe(
        since=_DAILY_WINDOW,
        within=_DAILY_TIME_LIMIT,
        repair=False,
        by=system_actor(channel="worker", user_id="reconciliation"),
        parts=[part],
    )
    for name, why in result.unread.items():
        logger.warning("%s not compared with Stripe: %s", name, why)
    if result.open:
        logger.warning("%s breaks of %s are open", len(result.open), part)
