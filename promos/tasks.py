"""The worker's jobs of this app. Each calls one use case."""

from uuid import UUID

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from promos.use_cases.alerts import raise_alerts as alerts
from promos.use_cases.alerts import send_alert_mail as mail
from promos.use_cases.alerts import watch_limits as limits
from promos.use_cases.cards.count_redeemed_cards import count_redeemed_cards
from promos.use_cases.cards.generate_cards import generate_cards as generate
from promos.use_cases.past.store_snapshots import store_snapshots

# Waits 2, 4, 8 … seconds between attempts, about an hour in all.
_RETRIES = RetryStrategy(max_attempts=11, exponential_wait=2)


@app.task(name="generate_cards", queue="cards", retry=_RETRIES)
def generate_cards(batch_id: str) -> None:
    """Generates the cards of a batch, or the rest of them."""
    generate(batch_id=int(batch_id))


@app.periodic(cron="* * * * *")
@app.task(name="count_redeemed_cards", queue="default", queueing_lock="count_redeemed_cards")
def count_cards(timestamp: int) -> None:
    """Counts the redeemed cards of batches that had redemptions since their last count."""
    count_redeemed_cards()


@app.periodic(cron="17 2 * * *")
@app.task(name="recount_redeemed_cards", queue="books", queueing_lock="recount_redeemed_cards")
def recount_cards(timestamp: int) -> None:
    """Counts the redeemed cards of every batch, also of those whose redemptions were only taken back."""
    count_redeemed_cards(everything=True)


@app.periodic(cron="* * * * *")
@app.task(name="raise_alerts", queue="default", queueing_lock="raise_alerts")
def raise_alerts(timestamp: int) -> None:
    """Looks for uses of codes that staff must look at."""
    alerts.raise_alerts()


@app.periodic(cron="* * * * *")
@app.task(name="watch_limits", queue="default", queueing_lock="watch_limits")
def watch_limits(timestamp: int) -> None:
    """Looks for budgets and caps that are nearly or fully used."""
    limits.watch_limits()


@app.periodic(cron="37 2 * * *")
@app.task(name="watch_all_limits", queue="default", queueing_lock="watch_all_limits")
def watch_all_limits(timestamp: int) -> None:
    """Looks at the cap of every code, also of those that are not redeemed at the moment."""
    limits.watch_limits(everything=True)


# Every two hours, but for 02:00, which the recount stores.
@app.periodic(cron="7 0,4-22/2 * * *")
@app.task(name="store_snapshots", queue="books", queueing_lock="store_snapshots")
def store_use_snapshots(timestamp: int) -> None:
    """Stores what the use and the liability of often used codes and campaigns were at the last even hour."""
    store_snapshots()


@app.periodic(cron="27 3 * * *")
@app.task(name="recount_snapshots", queue="books", queueing_lock="recount_snapshots")
def recount_use_snapshots(timestamp: int) -> None:
    """Stores the same of 02:00, recounted from all entries."""
    store_snapshots(recounts=True)


@app.task(name="send_alert_mail", queue="mail", retry=_RETRIES)
def send_alert_mail(alert_id: str, address: str) -> None:
    """Mails an alert to one member of staff, unless it was closed meanwhile."""
    mail.send_alert_mail(alert_id=UUID(alert_id), address=address)
