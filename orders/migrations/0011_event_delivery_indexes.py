"""The indexes that delivery reads by, made while events are recorded."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently, ValidateConstraint
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("orders", "0010_event_delivery")]

    operations = [
        ValidateConstraint(model_name="outboxevent", name="orders_event_refused_or_delivered"),
        AddIndexConcurrently(
            model_name="outboxevent",
            index=models.Index(
                models.F("position").asc(nulls_first=True),
                "id",
                condition=Q(delivered_at__isnull=True, refused_at__isnull=True),
                name="orders_event_to_deliver",
            ),
        ),
        AddIndexConcurrently(
            model_name="outboxevent",
            index=models.Index(
                fields=["-created_at", "-id"], condition=Q(refused_at__isnull=False), name="orders_event_refused"
            ),
        ),
        RemoveIndexConcurrently(model_name="outboxevent", name="orders_event_undelivered"),
    ]
