"""Finds the redemptions that began or were released in a span of time."""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("promos", "0034_console_indexes")]

    operations = [
        AddIndexConcurrently(
            model_name="redemption",
            index=BrinIndex(fields=["reserved_at"], autosummarize=True, name="promos_redemption_in_time"),
        ),
        AddIndexConcurrently(
            model_name="redemption",
            index=models.Index(
                fields=["released_at"], condition=Q(released_at__isnull=False), name="promos_redemption_released"
            ),
        ),
    ]
