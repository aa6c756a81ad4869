"""Adds the figures of dealers by batch, which the nightly job computes."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("promos", "0028_alerts_of_ranges")]

    operations = [
        migrations.CreateModel(
            name="DealerBatchFigures",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("allocated", models.BigIntegerField()),
                ("activated", models.BigIntegerField()),
                ("redeemed", models.BigIntegerField()),
                ("credit_minor", models.BigIntegerField()),
                (
                    "dealer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="figures_of_batches",
                        to="promos.dealer",
                    ),
                ),
                (
                    "promo_code",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="figures_of_dealers",
                        to="promos.promocode",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("dealer", "promo_code"), name="promos_dealerbatchfigures_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("activated__gte", 0),
                            ("allocated__gte", models.F("activated")),
                            ("redeemed__lte", models.F("allocated")),
                        ),
                        name="promos_dealerbatchfigures_within_allocated",
                    ),
                ],
            },
        ),
    ]
