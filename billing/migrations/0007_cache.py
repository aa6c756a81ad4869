"""Creates the table of Django's database cache, as `createcachetable` would."""

from django.db import migrations


def create_table(apps, schema_editor):
    schema_editor.execute(
        "CREATE TABLE billing_cache (cache_key varchar(255) NOT NULL PRIMARY KEY,"
        " value text NOT NULL, expires timestamptz NOT NULL)"
    )
    schema_editor.execute("CREATE INDEX billing_cache_expires ON billing_cache (expires)")


def drop_table(apps, schema_editor):
    schema_editor.execute("DROP TABLE billing_cache")


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_cancel_and_prorate")]

    operations = [migrations.RunPython(create_table, drop_table)]
