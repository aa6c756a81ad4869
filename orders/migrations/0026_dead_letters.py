"""Events of other systems that were set aside."""

import django.db.models.functions.datetime
from django.db import migrations, models

import billing.models.keys


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0025_staff_keep_webhooks"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("key", models.CharField(max_length=200)),
                ("topic", models.CharField(max_length=100)),
                ("body", models.BinaryField()),
                ("reason", models.CharField(max_length=500)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("applied_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["-created_at", "-id"], name="orders_deadletter_newest"),
                    models.Index(
                        condition=models.Q(("applied_at__isnull", True)),
                        fields=["-created_at", "-id"],
                        name="orders_deadletter_open",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("key",), name="orders_deadletter_once"),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True), name="orders_deadletter_has_reason"
                    ),
                ],
            },
        ),
    ]
