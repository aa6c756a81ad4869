"""Adds the tables of the figures that a nightly job computes."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("promos", "0021_secret_batches"),
    ]

    operations = [
        migrations.CreateModel(
            name="CampaignFigures",
            fields=[
                ("redemptions", models.BigIntegerField()),
                ("customers", models.BigIntegerField()),
                ("paying_customers", models.BigIntegerField()),
                ("granted_minor", models.BigIntegerField()),
                ("spent_minor", models.BigIntegerField()),
                ("expired_minor", models.BigIntegerField()),
                ("left_minor", models.BigIntegerField()),
                ("last_used_at", models.DateTimeField()),
                ("as_of", models.DateTimeField()),
                (
                    "campaign",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="figures",
                        serialize=False,
                        to="promos.campaign",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("expired_minor__gte", 0),
                            (
                                "granted_minor",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("spent_minor"), "+", models.F("expired_minor")
                                    ),
                                    "+",
                                    models.F("left_minor"),
                                ),
                            ),
                            ("left_minor__gte", 0),
                            ("spent_minor__gte", 0),
                        ),
                        name="promos_campaignfigures_adds_up",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CodeFigures",
            fields=[
                ("redemptions", models.BigIntegerField()),
                ("customers", models.BigIntegerField()),
                ("paying_customers", models.BigIntegerField()),
                ("granted_minor", models.BigIntegerField()),
                ("spent_minor", models.BigIntegerField()),
                ("expired_minor", models.BigIntegerField()),
                ("left_minor", models.BigIntegerField()),
                ("last_used_at", models.DateTimeField()),
                ("as_of", models.DateTimeField()),
                (
                    "promo_code",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="figures",
                        serialize=False,
                        to="promos.promocode",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("expired_minor__gte", 0),
                            (
                                "granted_minor",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("spent_minor"), "+", models.F("expired_minor")
                                    ),
                                    "+",
                                    models.F("left_minor"),
                                ),
                            ),
                            ("left_minor__gte", 0),
                            ("spent_minor__gte", 0),
                        ),
                        name="promos_codefigures_adds_up",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DealerFigures",
            fields=[
                (
                    "dealer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="figures",
                        serialize=False,
                        to="promos.dealer",
                    ),
                ),
                ("allocated", models.BigIntegerField()),
                ("activated", models.BigIntegerField()),
                ("redeemed", models.BigIntegerField()),
                ("credit_minor", models.BigIntegerField()),
                ("as_of", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("activated__gte", 0),
                            ("allocated__gte", models.F("activated")),
                            ("redeemed__lte", models.F("allocated")),
                        ),
                        name="promos_dealerfigures_within_allocated",
                    )
                ],
            },
        ),
    ]
