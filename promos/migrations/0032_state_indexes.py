"""Finds the vouchers that are paused, not started or expired, for the console's lists by state."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("promos", "0031_released_cards_index")]

    operations = [
        AddIndexConcurrently(
            model_name="promocode",
            index=models.Index(
                fields=["-created_at"],
                condition=Q(retired_at__isnull=True, active=False),
                name="promos_promocode_paused",
            ),
        ),
        AddIndexConcurrently(
            model_name="promocode",
            index=models.Index(
                fields=["starts_at"],
                condition=Q(retired_at__isnull=True, starts_at__isnull=False),
                name="promos_promocode_starts",
            ),
        ),
        AddIndexConcurrently(
            model_name="promocode",
            index=models.Index(
                fields=["expires_at"],
                condition=Q(retired_at__isnull=True, expires_at__isnull=False),
                name="promos_promocode_expires",
            ),
        ),
    ]
