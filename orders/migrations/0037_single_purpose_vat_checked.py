"""Validates the check of the posting rules' events, while the service writes."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0036_single_purpose_vat")]

    operations = [ValidateConstraint(model_name="postingrule", name="orders_postingrule_event_known")]
