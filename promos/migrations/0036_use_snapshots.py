"""Adds what the use and the liability of codes and campaigns were some times a day, which a job stores."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("promos", "0035_redemptions_in_time")]

    operations = [
        migrations.CreateModel(
            name="UseSnapshot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("redemptions", models.BigIntegerField()),
                ("customers", models.BigIntegerField()),
                ("granted_minor", models.BigIntegerField()),
                ("taken_back_minor", models.BigIntegerField()),
                ("left_minor", models.BigIntegerField()),
                ("held_minor", models.BigIntegerField()),
                (
                    "campaign",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="snapshots",
                        to="promos.campaign",
                    ),
                ),
                (
                    "promo_code",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="snapshots",
                        to="promos.promocode",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("promo_code", "at"), name="promos_usesnapshot_of_code_once"),
                    models.UniqueConstraint(fields=("campaign", "at"), name="promos_usesnapshot_of_campaign_once"),
                    models.CheckConstraint(
                        condition=models.Q(("campaign__isnull", True), ("promo_code__isnull", False))
                        | models.Q(("campaign__isnull", False), ("promo_code__isnull", True)),
                        name="promos_usesnapshot_of_code_or_campaign",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("customers__gte", 0),
                            ("granted_minor__gte", models.F("left_minor")),
                            ("held_minor__gte", 0),
                            ("left_minor__gte", models.F("held_minor")),
                            ("redemptions__gte", models.F("customers")),
                            ("taken_back_minor__gte", 0),
                        ),
                        name="promos_usesnapshot_parts_fit",
                    ),
                ],
            },
        ),
    ]
