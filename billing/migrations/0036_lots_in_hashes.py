"""A ledger entry keeps the hash of what it took from each lot, so that its own hash covers that too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0035_rare_subscriptions_index")]

    operations = [
        migrations.AddField(
            model_name="ledgerentry",
            name="lots_hash",
            field=models.BinaryField(
                editable=False,
                help_text="SHA-256 of what this entry took from each lot, or gave back; none if it moved no lot.",
                null=True,
            ),
        ),
    ]
