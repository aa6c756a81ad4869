"""Validates the checks of the treatment of VAT, while the service writes."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("promos", "0026_campaigns_say_when_vat_is_due")]

    operations = [
        ValidateConstraint(model_name="campaign", name=f"promos_campaign_vat_treatment_{rule}")
        for rule in ("fits_class", "needs_life")
    ]
