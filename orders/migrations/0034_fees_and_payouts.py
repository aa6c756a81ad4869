"""Lets Stripe's fees and payouts be card entries: their kinds, posting rules and breaks.

An entry of a fee or a payout may have no order.
"""

import django.db.models.deletion
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

# Event → debit, credit.
RULES = {
    "card.fee": ("5300", "1200"),
    "card.payout": ("1100", "1200"),
    "card.payout_returned": ("1200", "1100"),
}
EVENTS = {
    "credit.granted_sold": "sold credit granted",
    "credit.granted_promotional": "promotional credit granted",
    "credit.granted_compensation": "compensation granted",
    "credit.unused_month": "unused month credited",
    "credit.spent": "credit spent",
    "credit.expired": "credit expired",
    "credit.adjusted": "credit adjusted",
    "credit.transferred": "credit of merged customers moved",
    "card.payment": "card payment",
    "card.refund": "card refund",
    "card.dispute": "dispute opened",
    "card.dispute_won": "dispute won",
    "card.fee": "fee of Stripe",
    "card.payout": "payout to the bank",
    "card.payout_returned": "payout returned by the bank",
    "dispute.owed": "lost dispute owed by the customer",
    "dispute.written_off": "owed amount written off",
    "dispute.taken_back": "credit taken back for a lost dispute",
}
KINDS = [
    "other_currency",
    "amount_differs",
    "unknown_object",
    "paid_after_release",
    "paid_twice",
    "dispute",
    "refund_failed",
    "refund_differs",
    "credit_not_spent",
    "session_state_differs",
    "subscription_state_differs",
    "stray_session",
    "other_account",
    "stray_subscription",
    "payment_not_linked",
    "unknown_charge",
    "invoice_missing",
    "renewal_refunded",
    "refund_not_sent",
    "credit_not_returned",
    "hold_left",
    "event_not_settled",
    "invoice_not_followed",
    "subscription_changed",
    "refund_beyond_order",
    "fee_missing",
    "payout_missing",
    "payout_returned",
    "balance_differs",
    "balance_not_explained",
]


def widen(apps, schema_editor):
    """Lets a kind have 15 letters. PostgreSQL changes only its catalog, so the table is not rewritten."""
    schema_editor.execute("ALTER TABLE orders_cardentry ALTER COLUMN kind TYPE varchar(15)")


def seed(apps, schema_editor):
    rule = apps.get_model("orders", "PostingRule")
    for event, (debit, credit) in RULES.items():
        rule.objects.get_or_create(event=event, defaults={"debit": debit, "credit": credit})


def forget(apps, schema_editor):
    apps.get_model("orders", "PostingRule").objects.filter(event__in=RULES).delete()


class Migration(migrations.Migration):
    dependencies = [("orders", "0033_staff_see_documents")]

    operations = [
        migrations.RunPython(widen, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="cardentry",
                    name="kind",
                    field=models.CharField(
                        choices=[
                            ("payment", "Payment"),
                            ("refund", "Refund"),
                            ("dispute", "Dispute"),
                            ("dispute_won", "dispute won"),
                            ("owed", "Owed"),
                            ("written_off", "written off"),
                            ("fee", "Fee"),
                            ("payout", "Payout"),
                            ("payout_returned", "payout returned"),
                        ],
                        max_length=15,
                    ),
                ),
            ],
        ),
        migrations.AlterField(
            model_name="cardentry",
            name="order",
            field=models.ForeignKey(
                blank=True,
                help_text="None for a payout, and for a fee that Stripe takes for no order.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="card_entries",
                to="orders.order",
            ),
        ),
        migrations.AlterField(
            model_name="cardentry",
            name="stripe_object_id",
            field=models.CharField(
                help_text="Of the paid session or invoice, also for its refunds; of the dispute; of the balance"
                " transaction of a fee or payout.",
                max_length=255,
            ),
        ),
        migrations.RemoveConstraint(model_name="cardentry", name="orders_cardentry_amount_fits_kind"),
        AddConstraintNotValid(
            model_name="cardentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("amount_minor__gt", 0), ("kind__in", ["payment", "dispute_won", "owed", "payout_returned"])
                    ),
                    models.Q(("amount_minor__lt", 0), ("kind__in", ["refund", "dispute", "written_off", "payout"])),
                    models.Q(("kind", "fee"), models.Q(("amount_minor", 0), _negated=True)),
                    _connector="OR",
                ),
                name="orders_cardentry_amount_fits_kind",
            ),
        ),
        AddConstraintNotValid(
            model_name="cardentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("order__isnull", False), ("kind__in", ["fee", "payout", "payout_returned"]), _connector="OR"
                ),
                name="orders_cardentry_order_given",
            ),
        ),
        migrations.RemoveConstraint(model_name="postingrule", name="orders_postingrule_event_known"),
        AddConstraintNotValid(
            model_name="postingrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("event__in", list(EVENTS))), name="orders_postingrule_event_known"
            ),
        ),
        migrations.AlterField(
            model_name="postingrule",
            name="event",
            field=models.CharField(choices=list(EVENTS.items()), max_length=30, primary_key=True, serialize=False),
        ),
        migrations.AlterField(
            model_name="break",
            name="kind",
            field=models.CharField(choices=[(kind, kind.replace("_", " ").title()) for kind in KINDS], max_length=40),
        ),
        migrations.RunPython(seed, forget),
    ]
