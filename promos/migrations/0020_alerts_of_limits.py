"""Lets alerts name the budgets and caps that are nearly or fully used."""

from django.db import migrations, models

BEFORE = ("address", "customer", "early_card", "collector")
KINDS = [
    ("address", "Many refusals from one address"),
    ("customer", "Many refusals of one customer"),
    ("early_card", "Cards tried before activation"),
    ("collector", "One customer redeems many codes"),
    ("budget_80", "80% of a campaign's budget is used"),
    ("budget_100", "A campaign's budget is used up"),
    ("cap_80", "80% of a voucher's cap is used"),
    ("cap_100", "A voucher's cap is used up"),
]


class Migration(migrations.Migration):
    dependencies = [("promos", "0019_campaigns_keep_a_forecast")]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="allowed",
            field=models.BigIntegerField(
                default=0, db_default=0, help_text="The budget or cap when it was raised; 0 for other kinds."
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="number",
            field=models.BigIntegerField(help_text="The refusals, redemptions or used credit when it was last seen."),
        ),
        migrations.AlterField(
            model_name="alert",
            name="subject",
            field=models.CharField(
                help_text="The address, the user id, or the name of the batch, campaign or voucher.", max_length=255
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=10),
        ),
        migrations.RemoveConstraint(model_name="alert", name="promos_alert_kind_known"),
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
                condition=models.Q(("allowed", 0), ("kind__in", BEFORE))
                | (~models.Q(("kind__in", BEFORE)) & models.Q(("allowed__gt", 0))),
                name="promos_alert_allowed_of_limits",
            ),
        ),
    ]
