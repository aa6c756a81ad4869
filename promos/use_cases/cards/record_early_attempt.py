import logging

from django.db.models import F
from django.utils import timezone

from promos.models import Batch, Card

logger = logging.getLogger(__name__)


def record_early_attempt(*, serial: int, address: str | None) -> None:
    """Counts an attempt to redeem a card whose batch is not active, as with cards that were stolen from a printer.

    Staff see the count at the batch, and the log has a warning for the operator's alerts. Transaction: joins.
    """
    batch_ids = Card.objects.filter(serial=serial).values("batch_id")
    Batch.objects.filter(id__in=batch_ids).update(
        early_attempts=F("early_attempts") + 1, last_early_attempt_at=timezone.now()
    )
    logger.warning("a card of a batch that is not active was tried: serial %s, from %s", serial, address)
