"""How many entries each chain of an app had at a check."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0036_lots_in_hashes"),
    ]

    operations = [
        migrations.AddField(
            model_name="ledgercheck",
            name="other_entries",
            field=models.JSONField(
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                help_text="How many entries each chain of an app has.",
            ),
        ),
    ]
