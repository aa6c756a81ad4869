"""Checks the stored events against the constraints of closing."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0048_close_undelivered")]

    operations = [
        ValidateConstraint("deadletter", "orders_deadletter_applied_or_closed"),
        ValidateConstraint("outboxevent", "orders_event_closed_is_refused"),
    ]
