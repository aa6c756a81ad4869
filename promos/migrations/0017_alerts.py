"""Alerts of uses of codes that staff must look at."""

import django.db.models.functions.datetime
from django.db import migrations, models

import billing.models.keys


class Migration(migrations.Migration):
    dependencies = [
        ("promos", "0016_credit_life_checked"),
    ]

    operations = [
        migrations.CreateModel(
            name="Alert",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("address", "Many refusals from one address"),
                            ("customer", "Many refusals of one customer"),
                            ("early_card", "Cards tried before activation"),
                            ("collector", "One customer redeems many codes"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "subject",
                    models.CharField(help_text="The address, the user id, or the batch's name.", max_length=255),
                ),
                (
                    "number",
                    models.BigIntegerField(
                        help_text="How many refusals or redemptions there were when it was last seen."
                    ),
                ),
                ("opened_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("last_seen_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("closed_by", models.CharField(blank=True, db_default="", default="", max_length=255)),
            ],
            options={
                "indexes": [models.Index(fields=["kind", "subject", "-closed_at"], name="promos_alert_of_subject")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["address", "customer", "early_card", "collector"])),
                        name="promos_alert_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at__isnull", True), ("closed_by", "")),
                            models.Q(("closed_at__isnull", False), models.Q(("closed_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="promos_alert_closed_by_someone",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("kind", "subject"),
                        name="promos_alert_open_once",
                    ),
                ],
            },
        ),
    ]
