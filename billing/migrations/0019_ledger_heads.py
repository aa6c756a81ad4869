"""Signed heads of the ledger, the accounts that each covers, and the results of checks."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0018_entries_without_hash")]

    operations = [
        migrations.CreateModel(
            name="LedgerHead",
            fields=[
                ("number", models.BigIntegerField(editable=False, primary_key=True, serialize=False)),
                ("statement", models.TextField()),
                ("signature", models.BinaryField(help_text="Ed25519, of the statement.")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name": "signed head",
            },
        ),
        migrations.CreateModel(
            name="LedgerCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                ("accounts", models.BigIntegerField()),
                ("entries", models.BigIntegerField()),
                (
                    "fault",
                    models.TextField(
                        blank=True, db_default="", default="", help_text="Empty if the ledger is sound."
                    ),
                ),
                (
                    "head",
                    models.ForeignKey(
                        db_index=False,
                        help_text="The newest head it compared with.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="billing.ledgerhead",
                    ),
                ),
            ],
            options={
                "verbose_name": "check of the chain",
                "verbose_name_plural": "checks of the chain",
                "indexes": [models.Index(fields=["-finished_at"], name="billing_ledgercheck_newest")],
            },
        ),
        migrations.CreateModel(
            name="SealedAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.BigIntegerField()),
                ("hash", models.BinaryField()),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="billing.account"
                    ),
                ),
                (
                    "head",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sealed_accounts",
                        to="billing.ledgerhead",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("account", "version"), name="billing_sealedaccount_version_once"),
                    models.UniqueConstraint(fields=("head", "account"), name="billing_sealedaccount_once_a_head"),
                ],
            },
        ),
    ]
