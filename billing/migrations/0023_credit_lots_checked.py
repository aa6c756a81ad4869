"""Validates the checks that expiring credit brought, and indexes accounts by it, while the service writes."""

from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0022_credit_lots")]

    operations = [
        *(
            ValidateConstraint(model_name="ledgerentry", name=f"billing_ledgerentry_{rule}")
            for rule in ("amount_fits_kind", "expires_if_it_grants", "expiry_names_lot", "credit_class_known")
        ),
        AddIndexConcurrently(
            model_name="account",
            index=models.Index(
                fields=["next_expiry"],
                condition=models.Q(next_expiry__isnull=False),
                name="billing_account_next_expiry",
            ),
        ),
    ]
