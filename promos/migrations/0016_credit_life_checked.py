"""Validates the checks of the life of credit, while the service writes."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("promos", "0015_credit_life")]

    operations = [
        ValidateConstraint(model_name=model, name=f"promos_{model}_credit_days_in_bounds")
        for model in ("promocode", "campaign")
    ]
