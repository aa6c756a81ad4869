"""Adds the number of previews of each voucher and batch."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("promos", "0029_figures_of_dealers_by_batch")]

    operations = [
        migrations.CreateModel(
            name="CodePreviews",
            fields=[
                (
                    "promo_code",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="previews",
                        serialize=False,
                        to="promos.promocode",
                    ),
                ),
                ("number", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("number__gt", 0)), name="promos_codepreviews_positive"
                    ),
                ],
            },
        ),
    ]
