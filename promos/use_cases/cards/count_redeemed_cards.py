"""Keeps the number of redeemed cards at each batch, so that a list of batches counts nothing."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from promos.models import Batch, Redemption
from promos.queries import count_redeemed

# A redemption names the instant at which its request came, and may commit this much later.
_LATEST_COMMIT = timedelta(minutes=5)


def count_redeemed_cards(*, everything: bool = False) -> int:
    """Counts the cards of each batch that has had redemptions since its last count; returns how many were counted.

    Args: everything: counts every batch that has cards, also where redemptions were only taken back.
    Locks: Batch. Transaction: owns one for each batch.
    """
    counted = 0
    for batch_id in Batch.objects.exclude(generated=0).order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            # Races with an act on the batch.
            batch = Batch.objects.select_for_update(no_key=True).get(pk=batch_id)
            if everything or _has_new_redemptions(batch):
                batch.redeemed, batch.redeemed_counted_at = count_redeemed(batch), timezone.now()
                batch.save(update_fields=["redeemed", "redeemed_counted_at"])
                counted += 1
    return counted


def _has_new_redemptions(batch: Batch) -> bool:
    redeemed = Redemption.objects.filter(promo_code=batch.promo_code_id)
    if batch.redeemed_counted_at:
        redeemed = redeemed.filter(reserved_at__gte=batch.redeemed_counted_at - _LATEST_COMMIT)
    return redeemed.exists()
