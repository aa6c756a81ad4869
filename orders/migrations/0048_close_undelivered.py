"""Staff close events that were set aside, and events that the broker refused."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0047_unmirrored_events_index")]

    operations = [
        migrations.AddField("deadletter", "closed_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("outboxevent", "closed_at", models.DateTimeField(blank=True, null=True)),
        AddConstraintNotValid(
            "deadletter",
            models.CheckConstraint(
                condition=models.Q(("applied_at__isnull", True), ("closed_at__isnull", True), _connector="OR"),
                name="orders_deadletter_applied_or_closed",
            ),
        ),
        AddConstraintNotValid(
            "outboxevent",
            models.CheckConstraint(
                condition=models.Q(("closed_at__isnull", True), ("refused_at__isnull", False), _connector="OR"),
                name="orders_event_closed_is_refused",
            ),
        ),
    ]
