"""Finds the orders of a voucher's code."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0043_catalog_in_arabic")]

    operations = [
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                fields=["promo_code", "-id"], condition=~models.Q(promo_code=""), name="orders_order_of_code"
            ),
        ),
    ]
