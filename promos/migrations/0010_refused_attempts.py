"""Refused attempts to use a code, with the rule and the values that decided."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import billing.models.keys


class Migration(migrations.Migration):
    dependencies = [
        ("promos", "0009_dealers_activate_their_cards"),
    ]

    operations = [
        migrations.CreateModel(
            name="RefusedAttempt",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "act",
                    models.CharField(
                        choices=[
                            ("preview", "Preview"),
                            ("quote", "Quote"),
                            ("checkout", "Checkout"),
                            ("redemption", "Redemption"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "rule",
                    models.CharField(
                        help_text="The code of the refusal, or a more exact name of its reason.", max_length=60
                    ),
                ),
                ("code", models.CharField(blank=True, db_default="", default="", max_length=64)),
                ("code_hash", models.CharField(max_length=64)),
                ("card_serial", models.BigIntegerField(blank=True, null=True)),
                ("user_id", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("address", models.GenericIPAddressField(blank=True, null=True)),
                ("channel", models.CharField(max_length=10)),
                ("values", models.JSONField(db_default={}, default=dict)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "promo_code",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refused_attempts",
                        to="promos.promocode",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["-created_at", "-id"], name="promos_refused_in_order"),
                    models.Index(fields=["rule", "-created_at"], name="promos_refused_by_rule"),
                    models.Index(fields=["code_hash", "-created_at"], name="promos_refused_by_text"),
                    models.Index(
                        condition=models.Q(("promo_code__isnull", False)),
                        fields=["promo_code", "-created_at"],
                        name="promos_refused_of_code",
                    ),
                    models.Index(
                        condition=models.Q(("card_serial__isnull", False)),
                        fields=["card_serial"],
                        name="promos_refused_of_card",
                    ),
                    models.Index(
                        condition=models.Q(("user_id", ""), _negated=True),
                        fields=["user_id", "-created_at"],
                        name="promos_refused_of_customer",
                    ),
                    models.Index(
                        condition=models.Q(("address__isnull", False)),
                        fields=["address", "-created_at"],
                        name="promos_refused_of_address",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("act__in", ["preview", "quote", "checkout", "redemption"])),
                        name="promos_refusedattempt_act_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("rule", ""), _negated=True), name="promos_refusedattempt_has_rule"
                    ),
                ],
            },
        ),
    ]
