"""The order in which events are delivered, and what the broker says of an event that it refuses."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

import orders.models.event


def let_superadmins_resend(apps, schema_editor):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="orders", model="outboxevent"
    )
    change, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename="change_outboxevent", defaults={"name": "Can change outbox event"}
    )
    superadmins, _ = apps.get_model("auth", "Group").objects.get_or_create(name="superadmin")
    superadmins.permissions.add(change)


class Migration(migrations.Migration):
    dependencies = [("orders", "0009_app_jobs")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE orders_outboxevent_position", reverse_sql="DROP SEQUENCE orders_outboxevent_position"
        ),
        # The default comes after the column: together they would write every row anew.
        migrations.AddField(
            model_name="outboxevent",
            name="position",
            field=models.BigIntegerField(null=True, blank=True, editable=False),
        ),
        migrations.AlterField(
            model_name="outboxevent",
            name="position",
            field=models.BigIntegerField(
                null=True, blank=True, editable=False, db_default=orders.models.event.NextPosition()
            ),
        ),
        migrations.AddField(
            model_name="outboxevent", name="refused_at", field=models.DateTimeField(null=True, blank=True)
        ),
        migrations.AddField(
            model_name="outboxevent",
            name="refusal",
            field=models.CharField(blank=True, default="", db_default="", max_length=200),
        ),
        migrations.RunPython(let_superadmins_resend, migrations.RunPython.noop),
        AddConstraintNotValid(
            model_name="outboxevent",
            constraint=models.CheckConstraint(
                condition=Q(refused_at__isnull=True, refusal="")
                | (Q(refused_at__isnull=False, delivered_at__isnull=True) & ~Q(refusal="")),
                name="orders_event_refused_or_delivered",
            ),
        ),
    ]
