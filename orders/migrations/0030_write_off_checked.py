"""Validates the checks that writing off brought, while the service writes."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0029_write_off")]

    operations = [
        ValidateConstraint(model_name="cardentry", name="orders_cardentry_amount_fits_kind"),
        ValidateConstraint(model_name="postingrule", name="orders_postingrule_event_known"),
    ]
