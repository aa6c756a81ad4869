"""Finds the entries that are no grant and no spend, which are few. The index is built while the service writes."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0023_credit_lots_checked")]

    operations = [
        AddIndexConcurrently(
            model_name="ledgerentry",
            index=models.Index(
                fields=["-id"],
                condition=models.Q(kind__in=["reversal", "adjustment", "expiry"]),
                name="billing_ledgerentry_correction",
            ),
        ),
    ]
