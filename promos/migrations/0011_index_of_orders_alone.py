"""Redemptions outside an order have no row in the index of orders; built beside a running service."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("promos", "0010_redemption_without_foreign_key")]

    operations = [
        AddIndexConcurrently(
            model_name="redemption",
            index=models.Index(
                condition=models.Q(("order_id__isnull", False)),
                fields=["order_id"],
                name="promos_redemption_with_order",
            ),
        ),
        RemoveIndexConcurrently(model_name="redemption", name="promos_redemption_of_order"),
    ]
