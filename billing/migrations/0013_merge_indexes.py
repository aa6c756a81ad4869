"""Finds merged customers, and the two entries of a transfer. The indexes are built while the service writes."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0012_merged_customers")]

    operations = [
        AddIndexConcurrently(
            model_name="customer",
            index=models.Index(
                fields=["merged_into"],
                condition=models.Q(merged_into__isnull=False),
                name="billing_customer_merged",
            ),
        ),
        AddIndexConcurrently(
            model_name="ledgerentry",
            index=models.Index(
                fields=["reason"],
                condition=models.Q(kind="adjustment", reason__startswith="transfer:"),
                name="billing_ledgerentry_transfer",
            ),
        ),
    ]
