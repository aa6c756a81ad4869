"""Counts how often settling an event has failed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0004_domains")]

    operations = [
        migrations.AddField(
            model_name="stripeevent",
            name="attempts",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="How often settling it has failed. At MAX_ATTEMPTS it is set aside.",
            ),
        ),
    ]
