from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from billing.local_time import local_day, midnight_of

# Of millions of redemptions, the figures take longer than any request may.
_TIMEOUT_MS = 30 * 60 * 1000
# The use of so many days is kept day by day.
_DAYS = 31
# A redemption names the instant at which its request came, and may commit this much later.
LATEST_COMMIT = timedelta(minutes=5)


def refresh_figures(*, now: datetime | None = None) -> None:
    """Computes the figures of vouchers, batches, campaigns and dealers anew, for their lists and pages.

    Transaction: joins. Idempotency: a second run computes the same.
    """
    moment = now or timezone.now()
    since = midnight_of(local_day(moment) - timedelta(days=_DAYS))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}")
        cursor.execute("SELECT orders_refresh_figures(%s)", [moment])
        cursor.execute(
            "SELECT orders_refresh_use(%s, %s, %s)", [since, moment - LATEST_COMMIT, settings.SOVEREIGN_TIME_ZONE]
        )
