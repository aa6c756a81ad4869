"""Lets the sweeper find the events that wait for their order or month without reading the whole inbox."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("orders", "0005_event_attempts")]

    operations = [
        AddIndexConcurrently(
            model_name="stripeevent",
            index=models.Index(
                fields=["received_at"],
                condition=models.Q(outcome__in=["before_link", "before_completion"]),
                name="orders_stripeevent_unowned",
            ),
        ),
    ]
