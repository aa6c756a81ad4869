"""A payment names Stripe's customer that its session is asked for: the same at every try, whatever became of others."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0004_checkout_in_two_round_trips")]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="stripe_customer_id",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Stripe's customer that the session is asked for, noted first: every try asks for the same.",
                max_length=255,
            ),
        ),
    ]
