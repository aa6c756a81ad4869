"""The bundle whose discount an order has, and what it took off each line. The next migration validates the check."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0040_prices_without_vat_checked")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="bundle",
            field=models.JSONField(
                blank=True,
                help_text="The bundle whose discount the lines contain: id, slug, name and percent.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="orderline",
            name="discount_minor",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                help_text="What the bundle's discount has taken off the price.",
            ),
        ),
        AddConstraintNotValid(
            model_name="orderline",
            constraint=models.CheckConstraint(
                condition=models.Q(discount_minor__gte=0), name="orders_orderline_discount_not_negative"
            ),
        ),
    ]
