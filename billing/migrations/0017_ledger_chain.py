"""Each ledger entry gets a hash. `migrate` chains the entries that have none, when it installs chain.sql."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0016_restorations")]

    operations = [
        migrations.AddField(
            model_name="ledgerentry",
            name="hash",
            field=models.BinaryField(
                editable=False, help_text="SHA-256 of this entry and of the hash before it.", null=True
            ),
        ),
    ]
