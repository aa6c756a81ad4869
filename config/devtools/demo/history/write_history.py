"""Writes three months of history, day by day, into a database that has no order yet."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from django.db import connection
from django.db.models import Exists, OuterRef
from django.utils import timezone
from procrastinate.contrib.django import app

from billing.actor import system_actor
from billing.local_time import local_day
from billing.models import Customer
from billing.use_cases.ledger.expire_credit import expire_credit
from billing.use_cases.ledger.grant_many import grant_many
from billing.use_cases.ledger.post_entry import adjust_credit
from billing.use_cases.proof.seal_ledger import seal_ledger
from billing.use_cases.proof.signing import signing_key
from config.devtools.demo.history.card_processor import CardProcessor, card_processor
from config.devtools.demo.history.customers import Customers
from config.devtools.demo.history.issuers import ADMIN, NOOR, STOLEN, Issuers
from config.devtools.demo.history.past_clock import PastClock, past_clock
from orders.models import Order, Payment
from orders.use_cases.books.change_postings import add_vat_rate
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.figures.refresh_figures import refresh_figures
from orders.use_cases.payments.request_refund import refund_order, send_refund
from orders.use_cases.subscriptions.find_due_subscriptions import find_due_subscriptions
from orders.use_cases.subscriptions.renew_subscription import renew_subscription
from promos.models import Alert, Card
from promos.use_cases.alerts.close_alert import close_alert
from promos.use_cases.alerts.raise_alerts import raise_alerts
from promos.use_cases.cards.count_redeemed_cards import count_redeemed_cards

DAYS = 90
# Customers who come on a day of the week, Monday first.
ARRIVALS = (1, 1, 1, 1, 1, 2, 1)
OUTAGE, REFUNDS, CORRECTION, GUESSES, DISPUTE, EARLY_CARDS = 52, (21, 37, 44, 59, 72, 83), 63, 70, 84, 86
# The worker's nightly jobs run once in so many days, because there is little to do.
NIGHTLY_JOBS = 7
VAT_BASIS_POINTS = 500
# How many jobs copy Stripe's objects after the first start, one for each customer or object without a customer. All
# of them would keep the worker busy for minutes.
MIRROR_JOBS = 150
_WORKER = system_actor(channel="worker", user_id="renewals")


def write_history(*, state: Path | None, days: int = DAYS) -> bool:
    """Writes the history, and returns whether it did: a database with an order has a history of its own.

    Args: state: the file of the Stripe sandbox, which must not run meanwhile.
    Transaction: owns one, so a kill leaves no part of it.
    """
    if Order.objects.exists():
        return False
    now = timezone.now()
    began = (now - timedelta(days=days)).replace(hour=4, minute=0, second=0, microsecond=0)
    with card_processor(state) as processor, past_clock(began) as clock:
        add_vat_rate(
            starts_on=local_day(began), basis_points=VAT_BASIS_POINTS, reason="VAT of Oman since April 2021", by=ADMIN
        )
        story = _Story(began, clock, processor)
        for day in range(days):
            story.play(day)
        _finish_jobs()
        refresh_figures()
    return True


class _Story:
    def __init__(self, began: datetime, clock: PastClock, processor: CardProcessor | None) -> None:
        self._began, self._clock, self._processor = began, clock, processor
        self._issuers = Issuers(began)
        self._customers = Customers(self._issuers, processor)
        self._others: dict[int, Callable[[], None]] = {
            OUTAGE: self._compensate,
            CORRECTION: self._correct,
            GUESSES: lambda: self._customers.guess(address="203.0.113.66", tries=120),
            DISPUTE: self._dispute,
            EARLY_CARDS: self._try_cards_of_the_printer,
            **dict.fromkeys(REFUNDS, self._refund),
        }

    def play(self, day: int) -> None:
        """Plays a day: the worker's nightly jobs, the staff in the morning, customers until the evening."""
        morning = self._began + timedelta(days=day)
        self._clock.move_to(morning)
        self._work(day)
        for minute, act in enumerate((self._issuers.acts().get(day), self._others.get(day)), start=5):
            if act:
                self._clock.move_to(morning + timedelta(minutes=17 * minute))
                act()
                raise_alerts()
        for number in range(ARRIVALS[morning.weekday()]):
            self._clock.move_to(morning + timedelta(hours=4 + number * 3, minutes=day * 7 % 60, seconds=number))
            self._customers.arrive()
        self._clock.move_to(morning + timedelta(hours=14, minutes=day * 11 % 60))
        self._customers.live_a_day()

    def _work(self, day: int) -> None:
        if self._processor:
            self._processor.pass_time()
        for subscription_id in find_due_subscriptions():
            renew_subscription(subscription_id=subscription_id, by=_WORKER)
        self._customers.pay_open_months()
        if self._processor:
            _run_payment_jobs()
        issue_documents(until=timezone.now())
        if day % NIGHTLY_JOBS == 0:
            expire_credit()
            count_redeemed_cards()
            if self._processor:
                self._processor.pay_out()
            if signing_key():
                seal_ledger()
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")  # autovacuum sees nothing of an open transaction

    def _compensate(self) -> None:
        users = [customer.actor.user_id for customer in self._customers.known if customer.organization_id][:60]
        grant_many(user_ids=users, amount_minor=2_000, name="outage-muscat-1", why="two hours of outage", by=NOOR)

    def _correct(self) -> None:
        last = Customer.objects.order_by("-pk").values_list("pk", flat=True)[0]
        adjust_credit(
            customer_id=last, amount_minor=3_500, why="a card that could not be read, seen by support", by=ADMIN
        )

    def _dispute(self) -> None:
        order = _newest_purchase()
        if (
            order is not None
            and self._processor
            and Payment.objects.filter(order_id=order.id, status=Payment.Status.PAID).exists()
        ):
            self._processor.dispute(order.id)

    def _refund(self) -> None:
        order = _newest_purchase()
        if order is None:
            return
        refund = refund_order(order_id=order.id, card_minor=None, why="ordered by mistake", by=ADMIN)
        if refund is not None and self._processor:
            send_refund(refund_id=refund.id, by=_WORKER)
            self._processor.settle()

    def _try_cards_of_the_printer(self) -> None:
        cards = Card.objects.filter(batch__promo_code__code=STOLEN).order_by("serial").values_list("code", flat=True)
        self._customers.try_cards_too_early(list(cards[:4]))
        raise_alerts()
        guesses = Alert.objects.filter(closed_at=None, kind=Alert.Kind.ADDRESS).first()
        if guesses is not None:
            close_alert(alert_id=guesses.pk, why="a student guessed codes; the university stopped it", by=NOOR)


def _newest_purchase() -> Order | None:
    """Returns the newest purchase that is in effect, one that was paid by card if there is any."""
    bought = Order.objects.filter(kind=Order.Kind.PURCHASE, status=Order.Status.COMPLETED)
    by_card = Exists(Payment.objects.filter(order_id=OuterRef("pk"), status=Payment.Status.PAID))
    return bought.annotate(by_card=by_card).order_by("-by_card", "-created_at").first()


def _run_payment_jobs() -> None:
    """Runs the jobs by which Stripe learns what happened here, as the worker does."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE queue_name = 'payments' RETURNING task_name, args")
        jobs = cursor.fetchall()
    for name, arguments in jobs:
        if name != "settle_stripe_event":
            app.tasks[name].func(**json.loads(arguments))


def _finish_jobs() -> None:
    """Removes the jobs of the past: their mails are old, and their organizations are deployed.

    Those that copy Stripe's latest objects stay, for the console to show them, behind all jobs of the present.
    """
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE task_name <> 'mirror_stripe_event'")
        latest = "SELECT id FROM procrastinate_jobs ORDER BY id DESC LIMIT %s"
        cursor.execute(f"DELETE FROM procrastinate_jobs WHERE id NOT IN ({latest})", [MIRROR_JOBS])  # noqa: S608
        cursor.execute("UPDATE procrastinate_jobs SET priority = -1")
