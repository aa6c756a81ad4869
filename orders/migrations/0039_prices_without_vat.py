"""The catalog's price of a line where that was without VAT. The next migration validates the check."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0038_card_chain")]

    operations = [
        migrations.AddField(
            model_name="orderline",
            name="net_minor",
            field=models.BigIntegerField(
                blank=True, help_text="The catalog's price where that was without VAT.", null=True
            ),
        ),
        AddConstraintNotValid(
            model_name="orderline",
            constraint=models.CheckConstraint(
                condition=models.Q(("net_minor__gte", 0)), name="orders_orderline_net_not_negative"
            ),
        ),
    ]
