"""Creates the table of Django's database cache, as `createcachetable` would."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_cancel_and_prorate")]

    operations = [
        migrations.RunSQL(
            sql=[
                "CREATE TABLE billing_cache (cache_key varchar(255) NOT NULL PRIMARY KEY,"
                " value text NOT NULL, expires timestamptz NOT NULL)",
                "CREATE INDEX billing_cache_expires ON billing_cache (expires)",
            ],
            reverse_sql="DROP TABLE billing_cache",
        ),
    ]
