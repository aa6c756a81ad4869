"""The chain of the card entries. `migrate` chains the entries that are not in it, when it installs card_chain.sql."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0037_single_purpose_vat_checked"),
    ]

    operations = [
        migrations.CreateModel(
            name="CardChain",
            fields=[
                ("id", models.IntegerField(default=1, primary_key=True, serialize=False)),
                ("entries", models.BigIntegerField()),
                ("hash", models.BinaryField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="orders_cardchain_one_row")
                ],
            },
        ),
        migrations.CreateModel(
            name="CardLink",
            fields=[
                ("number", models.BigIntegerField(editable=False, primary_key=True, serialize=False)),
                ("hash", models.BinaryField()),
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="link", to="orders.cardentry"
                    ),
                ),
            ],
        ),
    ]
