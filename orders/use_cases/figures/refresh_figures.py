from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

# Of millions of redemptions, the figures take longer than any request may.
_TIMEOUT_MS = 30 * 60 * 1000


def refresh_figures(*, now: datetime | None = None) -> None:
    """Computes the credit figures of vouchers, batches, campaigns and dealers anew, for their lists and pages.

    Transaction: joins. Idempotency: a second run computes the same.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}")
        cursor.execute("SELECT orders_refresh_figures(%s)", [now or timezone.now()])
