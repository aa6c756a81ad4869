"""The worker's jobs of this app. Each calls one use case."""

from uuid import UUID

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from billing.use_cases.identity.sign_in_codes import send_code

# Waits 1, 2, 4 … seconds between attempts: longer than a code is valid.
_MAIL_RETRIES = RetryStrategy(max_attempts=9, exponential_wait=2)


@app.task(name="send_sign_in_code", queue="mail", retry=_MAIL_RETRIES)
def send_sign_in_code(key: str) -> None:
    """Mails a sign-in code, unless it was replaced or has expired."""
    send_code(key=UUID(key))
