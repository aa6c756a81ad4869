"""Names the process that asks Stripe for a payment, by the key of its lock."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0011_event_delivery_indexes")]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="process_key",
            field=models.IntegerField(
                db_default=0,
                default=0,
                help_text="Of the lock of the process that asks Stripe; 0 where only the clock counts.",
            ),
        ),
    ]
