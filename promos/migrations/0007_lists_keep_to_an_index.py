"""Codes that were issued at one moment, as a campaign's are, are in the list's order without being sorted."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("promos", "0006_hot_rows")]

    operations = [
        AddIndexConcurrently(
            model_name="promocode",
            index=models.Index(
                fields=["-created_at", "-id"],
                condition=models.Q(retired_at__isnull=True),
                name="promos_promocode_live_in_order",
            ),
        ),
        RemoveIndexConcurrently(model_name="promocode", name="promos_promocode_live_newest"),
    ]
