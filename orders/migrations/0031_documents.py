"""Invoices, receipts and credit notes, their series, and up to where they are issued."""

import uuid

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models

import billing.models.keys


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0028_finance_and_support"),
        ("orders", "0030_write_off_checked"),
    ]

    operations = [
        migrations.CreateModel(
            name="DocumentSeries",
            fields=[
                ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("last_number", models.BigIntegerField()),
            ],
            options={
                "verbose_name_plural": "document series",
            },
        ),
        migrations.CreateModel(
            name="DocumentCursor",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                (
                    "position",
                    models.UUIDField(
                        default=uuid.UUID("00000000-0000-0000-0000-000000000000"),
                        help_text="No entry up to this key still lacks its document.",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="orders_documentcursor_one_row")
                ],
            },
        ),
        migrations.CreateModel(
            name="Document",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("invoice", "Invoice"), ("receipt", "Receipt"), ("credit_note", "credit note")],
                        max_length=11,
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("order", "an order or a renewal"),
                            ("month", "a month that the card paid"),
                            ("early_payment", "a payment for an order that was not completed"),
                            ("refund", "a refund to the card"),
                            ("credit_returned", "credit returned"),
                            ("unused_month", "the unused part of a month"),
                            ("unused_month_taken_back", "the unused part of a month, taken back"),
                        ],
                        max_length=23,
                    ),
                ),
                ("series", models.CharField(max_length=20)),
                ("number", models.BigIntegerField(db_default=0, editable=False)),
                (
                    "credit_minor",
                    models.BigIntegerField(help_text="The part that credit paid, or that was credited."),
                ),
                ("card_minor", models.BigIntegerField(help_text="The part that a card paid, or got back.")),
                ("vat_minor", models.BigIntegerField(help_text="The VAT that both parts include.")),
                ("basis_points", models.PositiveIntegerField(help_text="The rate of VAT: 500 are 5 percent.")),
                ("currency", models.CharField(max_length=3)),
                ("details", models.JSONField()),
                ("supplied_at", models.DateTimeField(help_text="When the money moved: the day of the document.")),
                ("issued_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "card_entry",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="orders.cardentry",
                    ),
                ),
                (
                    "corrects",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrected_by",
                        to="orders.document",
                    ),
                ),
                (
                    "ledger_entry",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.ledgerentry",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="documents", to="orders.order"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["-supplied_at", "-id"], name="orders_document_newest")],
                "constraints": [
                    models.UniqueConstraint(fields=("series", "number"), name="orders_document_number_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("cause__in", ["order", "month", "unused_month_taken_back"]),
                                ("kind__in", ["invoice", "receipt"]),
                            ),
                            models.Q(("cause", "early_payment"), ("kind", "receipt")),
                            models.Q(
                                ("cause__in", ["refund", "credit_returned", "unused_month"]), ("kind", "credit_note")
                            ),
                            _connector="OR",
                        ),
                        name="orders_document_kind_fits_cause",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("ledger_entry__isnull", False), ("card_entry__isnull", False), _connector="OR"
                        ),
                        name="orders_document_names_entry",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("card_minor__gte", 0),
                            ("credit_minor__gte", 0),
                            models.Q(("card_minor", 0), ("credit_minor", 0), _negated=True),
                        ),
                        name="orders_document_amount_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("vat_minor__gte", 0),
                            (
                                "vat_minor__lte",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("credit_minor"), "+", models.F("card_minor")
                                ),
                            ),
                        ),
                        name="orders_document_vat_within_amount",
                    ),
                ],
            },
        ),
    ]
