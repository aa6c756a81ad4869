"""Finds the entries that have no hash yet. The index is built while the service writes."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0017_ledger_chain")]

    operations = [
        AddIndexConcurrently(
            model_name="ledgerentry",
            index=models.Index(
                fields=["account"], condition=models.Q(hash__isnull=True), name="billing_entry_without_hash"
            ),
        ),
    ]
