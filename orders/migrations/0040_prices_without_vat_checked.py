"""Validates the check of the lines' prices without VAT, while the service writes."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0039_prices_without_vat")]

    operations = [ValidateConstraint(model_name="orderline", name="orders_orderline_net_not_negative")]
