"""Credit that expires: an entry says when, and accounts with such credit have lots.

The checks of the ledger's rows are validated by the next migration, which does not block writes.
"""

import django.db.models.deletion
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import F, Q

CLASSES = [("sold", "Sold"), ("promotional", "Promotional"), ("compensation", "Compensation")]
KINDS = [
    ("grant", "Grant"),
    ("spend", "Spend"),
    ("reversal", "Reversal"),
    ("adjustment", "Adjustment"),
    ("expiry", "Expiry"),
]


def entry_check(name: str, condition: Q) -> AddConstraintNotValid:
    return AddConstraintNotValid(
        model_name="ledgerentry", constraint=models.CheckConstraint(condition=condition, name=name)
    )


class Migration(migrations.Migration):
    dependencies = [("billing", "0021_verify_chain")]

    operations = [
        migrations.AddField(
            model_name="account",
            name="lots_since",
            field=models.BigIntegerField(
                blank=True,
                help_text="The version from which on entries name their lots; none before credit expires.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="account",
            name="next_expiry",
            field=models.DateTimeField(blank=True, help_text="When the next of the credit expires.", null=True),
        ),
        migrations.AddField(
            model_name="ledgerentry",
            name="credit_class",
            field=models.CharField(
                blank=True,
                choices=CLASSES,
                db_default="",
                default="",
                help_text="Of credit that comes in.",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="ledgerentry",
            name="expires_at",
            field=models.DateTimeField(blank=True, help_text="When the credit expires that this brought.", null=True),
        ),
        migrations.AddField(
            model_name="ledgerentry",
            name="lot",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="taken_by",
                to="billing.ledgerentry",
            ),
        ),
        migrations.AlterField(
            model_name="ledgerentry", name="kind", field=models.CharField(choices=KINDS, max_length=10)
        ),
        entry_check(
            "billing_ledgerentry_amount_fits_kind",
            Q(kind="grant", amount_minor__gt=0)
            | Q(kind__in=["spend", "expiry"], amount_minor__lt=0)
            | (Q(kind__in=["reversal", "adjustment"]) & ~Q(amount_minor=0)),
        ),
        migrations.RemoveConstraint(model_name="ledgerentry", name="billing_ledgerentry_sign_fits_kind"),
        entry_check(
            "billing_ledgerentry_expires_if_it_grants",
            Q(expires_at__isnull=True) | Q(kind__in=["grant", "adjustment"], amount_minor__gt=0),
        ),
        entry_check(
            "billing_ledgerentry_expiry_names_lot",
            Q(kind="expiry", lot__isnull=False)
            | (~Q(kind="expiry") & (Q(lot__isnull=True) | Q(kind="adjustment", amount_minor__lt=0))),
        ),
        entry_check(
            "billing_ledgerentry_credit_class_known",
            Q(credit_class__in=["", "sold", "promotional", "compensation"]),
        ),
        migrations.CreateModel(
            name="Lot",
            fields=[
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="opened_lot",
                        serialize=False,
                        to="billing.ledgerentry",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lots",
                        to="billing.account",
                    ),
                ),
                ("version", models.BigIntegerField(help_text="The entry's: a lower one is older.")),
                ("amount_minor", models.BigIntegerField(help_text="What the lot held when it was opened.")),
                ("left_minor", models.BigIntegerField()),
                ("held_minor", models.BigIntegerField(db_default=0, default=0)),
                ("credit_class", models.CharField(choices=CLASSES, max_length=12)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("reminded_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "indexes": [
                    models.Index(condition=Q(left_minor__gt=0), fields=["account"], name="billing_lot_left"),
                    models.Index(
                        condition=Q(left_minor__gt=0, expires_at__isnull=False, reminded_at__isnull=True),
                        fields=["expires_at"],
                        name="billing_lot_to_remind",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(
                            held_minor__gte=0, left_minor__gte=F("held_minor"), amount_minor__gte=F("left_minor")
                        ),
                        name="billing_lot_held_within_left_within_amount",
                    ),
                    models.CheckConstraint(
                        condition=Q(credit_class__in=["sold", "promotional", "compensation"]),
                        name="billing_lot_credit_class_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LotMove",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "lot",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="moves", to="billing.lot"
                    ),
                ),
                (
                    "entry",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lot_moves",
                        to="billing.ledgerentry",
                    ),
                ),
                (
                    "hold",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lot_moves",
                        to="billing.hold",
                    ),
                ),
                ("amount_minor", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(entry__isnull=False),
                        fields=("entry", "lot"),
                        name="billing_lotmove_entry_once_per_lot",
                    ),
                    models.UniqueConstraint(
                        condition=Q(hold__isnull=False),
                        fields=("hold", "lot"),
                        name="billing_lotmove_hold_once_per_lot",
                    ),
                    models.CheckConstraint(
                        condition=Q(entry__isnull=False, hold__isnull=True) & ~Q(amount_minor=0)
                        | Q(entry__isnull=True, hold__isnull=False, amount_minor__gt=0),
                        name="billing_lotmove_of_entry_or_hold",
                    ),
                ],
            },
        ),
    ]
