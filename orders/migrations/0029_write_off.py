"""Lets what a customer owes after a lost dispute be written off: an entry, its posting rule, and who may do it."""

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
    "dispute.owed",
    "dispute.written_off",
    "dispute.taken_back",
]


def seed(apps, schema_editor):
    apps.get_model("orders", "PostingRule").objects.get_or_create(
        event="dispute.written_off", defaults={"debit": "5800", "credit": "1220"}
    )
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="orders", model="cardentry"
    )
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename="add_cardentry", defaults={"name": "Can add card entry"}
    )
    for role in ("superadmin", "finance"):
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(permission)


def forget(apps, schema_editor):
    apps.get_model("orders", "PostingRule").objects.filter(event="dispute.written_off").delete()


class Migration(migrations.Migration):
    dependencies = [("orders", "0028_staff_see_the_books")]

    operations = [
        migrations.RemoveConstraint(model_name="cardentry", name="orders_cardentry_amount_fits_kind"),
        AddConstraintNotValid(
            model_name="cardentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount_minor__gt", 0), ("kind__in", ["payment", "dispute_won", "owed"])),
                    models.Q(("amount_minor__lt", 0), ("kind__in", ["refund", "dispute", "written_off"])),
                    _connector="OR",
                ),
                name="orders_cardentry_amount_fits_kind",
            ),
        ),
        migrations.RemoveConstraint(model_name="postingrule", name="orders_postingrule_event_known"),
        AddConstraintNotValid(
            model_name="postingrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("event__in", EVENTS)), name="orders_postingrule_event_known"
            ),
        ),
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
                ],
                max_length=11,
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
                    ("dispute.owed", "lost dispute owed by the customer"),
                    ("dispute.written_off", "owed amount written off"),
                    ("dispute.taken_back", "credit taken back for a lost dispute"),
                ],
                max_length=30,
                primary_key=True,
                serialize=False,
            ),
        ),
        migrations.RunPython(seed, forget),
    ]
