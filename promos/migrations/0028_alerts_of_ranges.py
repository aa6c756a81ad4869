"""Lets alerts name a range of cards of which many are refused."""

from django.db import migrations, models

OF_USE = ["address", "customer", "range", "early_card", "collector"]
KINDS = [
    ("address", "Many refusals from one address"),
    ("customer", "Many refusals of one customer"),
    ("range", "Many refusals of one range of cards"),
    ("early_card", "Cards tried before activation"),
    ("collector", "One customer redeems many codes"),
    ("budget_80", "80% of a campaign's budget is used"),
    ("budget_100", "A campaign's budget is used up"),
    ("cap_80", "80% of a voucher's cap is used"),
    ("cap_100", "A voucher's cap is used up"),
]
SUBJECT = "The address, the user id, or the name of the batch, campaign or voucher; for a range, with its serials."


class Migration(migrations.Migration):
    dependencies = [("promos", "0027_vat_treatment_checked")]

    operations = [
        migrations.AlterField(model_name="alert", name="kind", field=models.CharField(choices=KINDS, max_length=10)),
        migrations.AlterField(
            model_name="alert", name="subject", field=models.CharField(help_text=SUBJECT, max_length=255)
        ),
        migrations.RemoveConstraint(model_name="alert", name="promos_alert_kind_known"),
        migrations.RemoveConstraint(model_name="alert", name="promos_alert_allowed_of_limits"),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", [kind for kind, _ in KINDS])),
                name="promos_alert_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(("allowed", 0), ("kind__in", OF_USE))
                | (~models.Q(("kind__in", OF_USE)) & models.Q(("allowed__gt", 0))),
                name="promos_alert_allowed_of_limits",
            ),
        ),
    ]
