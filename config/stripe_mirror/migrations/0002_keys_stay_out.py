"""dj-stripe keeps secrets as they are. Ours are elsewhere, encrypted (billing.ProcessorSettings), and there only."""

from django.db import migrations

TABLES = ("djstripe_apikey", "djstripe_webhookendpoint")


class Migration(migrations.Migration):
    dependencies = [("djstripe", "0001_initial")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE {table} ADD CONSTRAINT {table}_stays_empty CHECK (false)",
            f"ALTER TABLE {table} DROP CONSTRAINT {table}_stays_empty",
        )
        for table in TABLES
    ]
