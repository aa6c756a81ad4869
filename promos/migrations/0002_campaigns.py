"""Campaigns and their budgets, and the campaign of the codes that have none of their own."""

import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.db import migrations, models

import billing.models.keys

_DEFAULT_CAMPAIGN = """
INSERT INTO promos_campaign (id, name, purpose, status, drafted_by, approved_by)
VALUES ('00000000-0000-7000-8000-000000000001', 'General', 'Vouchers without a campaign of their own.', 'active',
        'system', 'installation')
"""


class Migration(migrations.Migration):
    dependencies = [
        ("promos", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Campaign",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("purpose", models.CharField(blank=True, db_default="", default="", max_length=500)),
                ("owner_email", models.EmailField(blank=True, db_default="", default="", max_length=254)),
                (
                    "credit_class",
                    models.CharField(
                        choices=[("sold", "Sold"), ("promotional", "Promotional"), ("compensation", "Compensation")],
                        db_default="promotional",
                        default="promotional",
                        max_length=12,
                    ),
                ),
                (
                    "budget_minor",
                    models.BigIntegerField(db_default=0, default=0, help_text="Smallest unit. 0 = unlimited."),
                ),
                ("hot", models.BooleanField(db_default=False, default=False)),
                ("starts_at", models.DateTimeField(blank=True, null=True)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("approved", "Approved"),
                            ("active", "Active"),
                            ("paused", "Paused"),
                            ("ended", "Ended"),
                        ],
                        db_default="draft",
                        default="draft",
                        max_length=8,
                    ),
                ),
                ("drafted_by", models.CharField(max_length=255)),
                ("approved_by", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [models.Index(fields=["-created_at", "-id"], name="promos_campaign_in_order")],
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("name"), name="promos_campaign_name_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="promos_campaign_has_name"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("budget_minor__gte", 0)), name="promos_campaign_budget_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("starts_at__isnull", True),
                            ("ends_at__isnull", True),
                            ("starts_at__lt", models.F("ends_at")),
                            _connector="OR",
                        ),
                        name="promos_campaign_window_forward",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["draft", "approved", "active", "paused", "ended"])),
                        name="promos_campaign_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("credit_class__in", ["sold", "promotional", "compensation"])),
                        name="promos_campaign_credit_class_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("approved_by", ""), ("status", "draft")),
                            ("status", "ended"),
                            models.Q(
                                models.Q(("status", "draft"), _negated=True),
                                models.Q(("approved_by", ""), _negated=True),
                                models.Q(("approved_by", models.F("drafted_by")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="promos_campaign_approved_by_another",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BudgetCounter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("quota", models.BigIntegerField()),
                ("used", models.BigIntegerField(db_default=0, default=0)),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="counters", to="promos.campaign"
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="budgetcounter",
            constraint=models.CheckConstraint(
                condition=models.Q(("used__gte", 0), ("used__lte", models.F("quota"))),
                name="promos_budgetcounter_used_within_quota",
            ),
        ),
        migrations.RunSQL(_DEFAULT_CAMPAIGN, migrations.RunSQL.noop),
    ]
