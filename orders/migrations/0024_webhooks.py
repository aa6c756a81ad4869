"""Endpoints of subscribers, and the events on their way to them."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import billing.models.keys


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0023_posting_rules"),
    ]

    operations = [
        migrations.CreateModel(
            name="WebhookEndpoint",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("url", models.CharField(max_length=500)),
                ("description", models.CharField(blank=True, db_default="", default="", max_length=200)),
                ("types", models.JSONField(db_default=[], default=list)),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("paused", "Paused"), ("retired", "Retired")],
                        db_default="active",
                        default="active",
                        max_length=7,
                    ),
                ),
                ("pause_reason", models.CharField(blank=True, db_default="", default="", max_length=200)),
                ("encrypted_secret", models.TextField()),
                ("encrypted_previous_secret", models.TextField(blank=True, db_default="", default="")),
                ("previous_secret_until", models.DateTimeField(blank=True, null=True)),
                ("failures", models.IntegerField(db_default=0, default=0)),
                ("failing_since", models.DateTimeField(blank=True, null=True)),
                ("retry_at", models.DateTimeField(blank=True, null=True)),
                ("created_by", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [models.Index(fields=["-created_at", "-id"], name="orders_webhookendpoint_newest")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["active", "paused", "retired"])),
                        name="orders_webhookendpoint_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("url__regex", "^https?://[^/?#@\\s]+([/?][^#\\s]*)?$")),
                        name="orders_webhookendpoint_url_form",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status", "paused"), ("pause_reason", ""), _connector="XOR"),
                        name="orders_webhookendpoint_pause_has_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("encrypted_secret__startswith", "gAAAAA"),
                            models.Q(
                                ("encrypted_previous_secret", ""),
                                ("encrypted_previous_secret__startswith", "gAAAAA"),
                                _connector="OR",
                            ),
                        ),
                        name="orders_webhookendpoint_secrets_encrypted",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("encrypted_previous_secret", ""), ("previous_secret_until__isnull", True)),
                            models.Q(
                                models.Q(("encrypted_previous_secret", ""), _negated=True),
                                ("previous_secret_until__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="orders_webhookendpoint_previous_secret_ends",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("failing_since__isnull", True), ("failures", 0), ("retry_at__isnull", True)),
                            models.Q(
                                ("failing_since__isnull", False), ("failures__gt", 0), ("retry_at__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="orders_webhookendpoint_failing_since",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("delivered", "Delivered"), ("failed", "Failed")],
                        db_default="pending",
                        default="pending",
                        max_length=9,
                    ),
                ),
                ("attempts", models.IntegerField(db_default=0, default=0)),
                ("next_attempt_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("log", models.JSONField(db_default=[], default=list)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("delivered_at", models.DateTimeField(blank=True, null=True)),
                (
                    "event",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="orders.outboxevent",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="orders.webhookendpoint",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "webhook deliveries",
                "indexes": [
                    models.Index(
                        models.F("endpoint"),
                        models.F("next_attempt_at"),
                        models.F("id"),
                        condition=models.Q(("status", "pending")),
                        name="orders_webhookdelivery_due",
                    ),
                    models.Index(fields=["endpoint", "-created_at", "-id"], name="orders_webhookdelivery_log"),
                    models.Index(fields=["-created_at", "-id"], name="orders_webhookdelivery_newest"),
                    models.Index(
                        condition=models.Q(("status", "failed")),
                        fields=["-created_at", "-id"],
                        name="orders_webhookdelivery_dead",
                    ),
                    models.Index(
                        condition=models.Q(("status", "delivered")),
                        fields=["delivered_at"],
                        name="orders_webhookdelivery_done",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["pending", "delivered", "failed"])),
                        name="orders_webhookdelivery_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("delivered_at__isnull", False), ("status", "delivered")),
                            models.Q(
                                models.Q(("status", "delivered"), _negated=True), ("delivered_at__isnull", True)
                            ),
                            _connector="OR",
                        ),
                        name="orders_webhookdelivery_delivered_at",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("attempts__gte", 0)), name="orders_webhookdelivery_attempts_counted"
                    ),
                    models.UniqueConstraint(fields=("event", "endpoint"), name="orders_webhookdelivery_once"),
                ],
            },
        ),
    ]
