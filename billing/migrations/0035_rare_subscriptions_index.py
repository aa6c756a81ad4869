"""Finds the subscriptions that are neither active nor canceled, which are few: staff count and list those past due."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0034_verify_months")]

    operations = [
        AddIndexConcurrently(
            model_name="subscription",
            index=models.Index(
                fields=["status", "-id"],
                condition=~models.Q(status__in=["active", "canceled"]),
                name="billing_subscription_rare",
            ),
        ),
    ]
