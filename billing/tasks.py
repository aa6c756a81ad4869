"""The worker's jobs of this app. Each calls one use case."""

from uuid import UUID

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from billing.jobs import FIRST
from billing.use_cases.bulk import run_bulk_grant as bulk_grants
from billing.use_cases.identity import email_moved_mail
from billing.use_cases.identity.sign_in.sign_in_codes import send_code
from billing.use_cases.ledger import remind_of_expiry as reminders
from billing.use_cases.ledger.expire_credit import expire_credit as post_expiries
from billing.use_cases.proof.daily_proof import prove_ledger
from billing.use_cases.proposals import mail, propose

# Waits 1, 2, 4 … seconds between attempts: longer than a code is valid.
_MAIL_RETRIES = RetryStrategy(max_attempts=9, exponential_wait=2)


@app.task(name="send_sign_in_code", queue="mail", priority=FIRST, retry=_MAIL_RETRIES)
def send_sign_in_code(key: str, language: str = "") -> None:
    """Mails a sign-in code, unless it was replaced or has expired."""
    send_code(key=UUID(key), language=language)


# Waits 2, 4, 8 … seconds between attempts, about nine hours in all.
_LONG_MAIL_RETRIES = RetryStrategy(max_attempts=14, exponential_wait=2)


@app.task(name="send_proposal_mail", queue="mail", retry=_LONG_MAIL_RETRIES)
def send_proposal_mail(proposal_id: str, address: str) -> None:
    """Mails a proposal to one of those who can approve it, unless it was decided meanwhile."""
    mail.send_proposal_mail(proposal_id=UUID(proposal_id), address=address)


@app.task(name="send_email_moved_mail", queue="mail", retry=_LONG_MAIL_RETRIES)
def send_email_moved_mail(entry_id: str, mail: str) -> None:
    """Mails the old or the new address of a customer whom staff moved to another one."""
    email_moved_mail.send_email_moved_mail(entry_id=UUID(entry_id), mail=mail)


@app.periodic(cron="5 * * * *")
@app.task(name="expire_credit", queue="default", queueing_lock="expire_credit")
def expire_credit(timestamp: int) -> None:
    """Posts what has expired of accounts that nobody has touched since."""
    post_expiries()


@app.periodic(cron="23 5 * * *")
@app.task(name="remind_of_expiry", queue="default", queueing_lock="remind_of_expiry")
def remind_of_expiry(timestamp: int) -> None:
    """Queues a mail for credit that expires soon, once for each grant."""
    reminders.remind_of_expiry()


@app.task(name="send_expiry_reminder", queue="mail", retry=_LONG_MAIL_RETRIES)
def send_expiry_reminder(lot_id: str) -> None:
    """Mails a customer that credit expires soon, unless it was spent meanwhile."""
    reminders.send_expiry_reminder(lot_id=UUID(lot_id))


@app.periodic(cron="*/10 * * * *")
@app.task(name="expire_proposals", queue="default", queueing_lock="expire_proposals")
def expire_proposals(timestamp: int) -> None:
    """Closes the proposals that nobody decided in time."""
    propose.expire_proposals()


# Waits 2, 4, 8 … seconds between attempts, about an hour in all.
_RETRIES = RetryStrategy(max_attempts=11, exponential_wait=2)


@app.task(name="run_bulk_grant", queue="cards", retry=_RETRIES)
def run_bulk_grant(bulk_grant_id: str) -> None:
    """Grants, or takes back, the credit of a bulk grant, or the rest of it."""
    bulk_grants.run_bulk_grant(bulk_grant_id=UUID(bulk_grant_id))


@app.periodic(cron="*/10 * * * *")
@app.task(name="continue_bulk_grants", queue="default", queueing_lock="continue_bulk_grants")
def continue_bulk_grants(timestamp: int) -> None:
    """Adds a job for each bulk grant that is under way and has none."""
    bulk_grants.continue_bulk_grants()


@app.periodic(cron="41 2 * * *")
@app.task(name="prove_ledger", queue="books", queueing_lock="prove_ledger")
def prove_ledger_daily(timestamp: int) -> None:
    """Signs a head of the ledger and verifies the whole chain."""
    prove_ledger()
