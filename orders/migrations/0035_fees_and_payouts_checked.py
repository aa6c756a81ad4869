"""Validates the checks that fees and payouts brought, while the service writes."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0034_fees_and_payouts")]

    operations = [
        ValidateConstraint(model_name="cardentry", name="orders_cardentry_amount_fits_kind"),
        ValidateConstraint(model_name="cardentry", name="orders_cardentry_order_given"),
        ValidateConstraint(model_name="postingrule", name="orders_postingrule_event_known"),
    ]
