"""Validates the check of the lines' discounts, while the service writes."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0041_bundle_discount")]

    operations = [ValidateConstraint(model_name="orderline", name="orders_orderline_discount_not_negative")]
