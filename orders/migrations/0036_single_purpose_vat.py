"""The posting rule of the VAT of single-purpose credit. The next migration validates the check."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

EVENTS = [
    "credit.granted_sold",
    "credit.granted_promotional",
    "credit.granted_compensation",
    "credit.unused_month",
    "credit.spent",
    "credit.expired",
    "credit.adjusted",
    "credit.transferred",
    "card.payment",
    "card.refund",
    "card.dispute",
    "card.dispute_won",
    "card.fee",
    "card.payout",
    "card.payout_returned",
    "dispute.owed",
    "dispute.written_off",
    "dispute.taken_back",
    "vat.single_purpose",
]


def seed(apps, schema_editor):
    apps.get_model("orders", "PostingRule").objects.get_or_create(
        event="vat.single_purpose", defaults={"debit": "2310", "credit": "2300"}
    )


def forget(apps, schema_editor):
    apps.get_model("orders", "PostingRule").objects.filter(event="vat.single_purpose").delete()


class Migration(migrations.Migration):
    dependencies = [("orders", "0035_fees_and_payouts_checked")]

    operations = [
        migrations.RemoveConstraint(model_name="postingrule", name="orders_postingrule_event_known"),
        AddConstraintNotValid(
            model_name="postingrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("event__in", EVENTS)), name="orders_postingrule_event_known"
            ),
        ),
        migrations.AlterField(
            model_name="postingrule",
            name="event",
            field=models.CharField(
                choices=[
                    ("credit.granted_sold", "sold credit granted"),
                    ("credit.granted_promotional", "promotional credit granted"),
                    ("credit.granted_compensation", "compensation granted"),
                    ("credit.unused_month", "unused month credited"),
                    ("credit.spent", "credit spent"),
                    ("credit.expired", "credit expired"),
                    ("credit.adjusted", "credit adjusted"),
                    ("credit.transferred", "credit of merged customers moved"),
                    ("card.payment", "card payment"),
                    ("card.refund", "card refund"),
                    ("card.dispute", "dispute opened"),
                    ("card.dispute_won", "dispute won"),
                    ("card.fee", "fee of Stripe"),
                    ("card.payout", "payout to the bank"),
                    ("card.payout_returned", "payout returned by the bank"),
                    ("dispute.owed", "lost dispute owed by the customer"),
                    ("dispute.written_off", "owed amount written off"),
                    ("dispute.taken_back", "credit taken back for a lost dispute"),
                    ("vat.single_purpose", "VAT of single-purpose credit, due when it is sold"),
                ],
                max_length=30,
                primary_key=True,
                serialize=False,
            ),
        ),
        migrations.RunPython(seed, forget),
    ]
