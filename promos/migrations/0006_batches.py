"""Batches of cards. The terms of a batch stand in a row of the promo codes."""

import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("promos", "0005_cards_are_redeemed_once"),
    ]

    operations = [
        migrations.CreateModel(
            name="Batch",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("approved", "Approved"),
                            ("generated", "Generated"),
                            ("released", "Released"),
                            ("active", "Active"),
                            ("locked", "Locked"),
                            ("closed", "Closed"),
                            ("void", "Void"),
                        ],
                        db_default="draft",
                        default="draft",
                        max_length=10,
                    ),
                ),
                ("pattern", models.CharField(max_length=40)),
                (
                    "alphabet",
                    models.CharField(
                        choices=[("letters", "Letters and digits, without 0, 1, I and O"), ("digits", "Digits only")],
                        max_length=10,
                    ),
                ),
                ("size", models.IntegerField()),
                ("first_serial", models.BigIntegerField()),
                ("generated", models.IntegerField(db_default=0, default=0)),
                ("created_by", models.CharField(max_length=255)),
                ("approved_by", models.CharField(blank=True, db_default="", default="", max_length=255)),
                (
                    "early_attempts",
                    models.BigIntegerField(
                        db_default=0,
                        default=0,
                        help_text="Attempts to redeem one of its cards while it could not be redeemed.",
                    ),
                ),
                ("last_early_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name_plural": "batches",
            },
        ),
        migrations.CreateModel(
            name="Card",
            fields=[
                ("serial", models.BigIntegerField(primary_key=True, serialize=False)),
                ("code", models.CharField(help_text="Without the dashes that are printed.", max_length=40)),
            ],
        ),
        migrations.AddField(
            model_name="promocode",
            name="for_cards",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="The terms of a batch's cards; not redeemed by this code itself.",
            ),
        ),
        migrations.AddConstraint(
            model_name="promocode",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("for_cards", False), models.Q(("hot", False), ("max_redemptions", 0)), _connector="OR"
                ),
                name="promos_promocode_cards_uncapped",
            ),
        ),
        migrations.AddField(
            model_name="batch",
            name="promo_code",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="batch", to="promos.promocode"
            ),
        ),
        migrations.AddField(
            model_name="card",
            name="batch",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="cards",
                to="promos.batch",
            ),
        ),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(fields=["-created_at", "-id"], name="promos_batch_in_order"),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        ["draft", "approved", "generated", "released", "active", "locked", "closed", "void"],
                    )
                ),
                name="promos_batch_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(("pattern__regex", "^[A-Z0-9#-]{6,40}$")), name="promos_batch_pattern_form"
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(("alphabet__in", ["letters", "digits"])), name="promos_batch_alphabet_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(("size__gte", 1), ("size__lte", 1000000)), name="promos_batch_size_in_bounds"
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(("first_serial__gt", 0)), name="promos_batch_serial_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(("generated__gte", 0), ("generated__lte", models.F("size"))),
                name="promos_batch_generated_within_size",
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["draft", "approved", "void"]), ("generated", models.F("size")), _connector="OR"
                ),
                name="promos_batch_generated_before_use",
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["draft", "void"]),
                    models.Q(
                        models.Q(("approved_by", ""), _negated=True),
                        models.Q(("approved_by", models.F("created_by")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="promos_batch_approved_by_another",
            ),
        ),
        migrations.AddIndex(
            model_name="card",
            index=models.Index(django.db.models.functions.text.Right("code", 4), name="promos_card_last_characters"),
        ),
        migrations.AddConstraint(
            model_name="card",
            constraint=models.UniqueConstraint(fields=("code",), name="promos_card_code_once"),
        ),
        migrations.RunSQL(
            "ALTER TABLE promos_batch ADD CONSTRAINT promos_batch_serials_apart"
            " EXCLUDE USING gist (int8range(first_serial, first_serial + size) WITH &&)",
            "ALTER TABLE promos_batch DROP CONSTRAINT promos_batch_serials_apart",
        ),
    ]
