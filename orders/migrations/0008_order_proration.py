"""The part of an order's credit that the unused month of the replaced subscription brings."""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_cancel_and_prorate"), ("orders", "0007_break_kinds")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="proration_minor",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                help_text="The part of the applied credit that a card order's unused month brings when it is paid.",
            ),
        ),
        AddConstraintNotValid(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=Q(proration_minor__gte=0, proration_minor__lte=F("credit_applied_minor")),
                name="orders_order_proration_within_credit",
            ),
        ),
        ValidateConstraint(model_name="order", name="orders_order_proration_within_credit"),
    ]
