"""Dealers, and ranges of cards that are allocated, activated, locked, returned, extended or voided together."""

import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("promos", "0007_staff_see_batches"),
    ]

    operations = [
        migrations.CreateModel(
            name="Dealer",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("user_id", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("created_by", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [models.Index(fields=["-created_at", "-id"], name="promos_dealer_in_order")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="promos_dealer_name_given"
                    ),
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("name"), name="promos_dealer_name_once"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("user_id", ""), _negated=True),
                        fields=("user_id",),
                        name="promos_dealer_user_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CardRange",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("first_serial", models.BigIntegerField()),
                ("last_serial", models.BigIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("stock", "In stock"),
                            ("allocated", "Allocated"),
                            ("active", "Active"),
                            ("void", "Void"),
                        ],
                        max_length=10,
                    ),
                ),
                ("locked", models.BooleanField(db_default=False, default=False)),
                (
                    "expires_at",
                    models.DateTimeField(blank=True, help_text="In place of the batch's own end.", null=True),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="ranges",
                        to="promos.batch",
                    ),
                ),
                (
                    "dealer",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="ranges",
                        to="promos.dealer",
                    ),
                ),
            ],
            options={
                "verbose_name": "range of cards",
                "verbose_name_plural": "ranges of cards",
                "indexes": [
                    models.Index(fields=["batch", "first_serial"], name="promos_cardrange_of_batch"),
                    models.Index(fields=["dealer", "first_serial"], name="promos_cardrange_of_dealer"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["stock", "allocated", "active", "void"])),
                        name="promos_cardrange_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("first_serial__gt", 0), ("first_serial__lte", models.F("last_serial"))),
                        name="promos_cardrange_serials_forward",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                models.Q(("dealer__isnull", False), ("status", "allocated")),
                                models.Q(("status", "allocated"), _negated=True),
                                _connector="OR",
                            ),
                            models.Q(
                                models.Q(("dealer__isnull", True), ("status", "stock")),
                                models.Q(("status", "stock"), _negated=True),
                                _connector="OR",
                            ),
                        ),
                        name="promos_cardrange_dealer_fits",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("locked", True), ("status", "void"), _negated=True),
                        name="promos_cardrange_void_unlocked",
                    ),
                    models.UniqueConstraint(fields=("first_serial",), name="promos_cardrange_first_serial_once"),
                ],
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE promos_cardrange ADD CONSTRAINT promos_cardrange_serials_apart"
            " EXCLUDE USING gist (int8range(first_serial, last_serial, '[]') WITH &&)",
            "ALTER TABLE promos_cardrange DROP CONSTRAINT promos_cardrange_serials_apart",
        ),
    ]
