from pathlib import Path

from django.db import migrations

_APP = Path(__file__).parents[1]

REVERSE = """
DROP FUNCTION orders_place_order(bigint, uuid, uuid, uuid, jsonb, jsonb, jsonb, jsonb, bigint, text, uuid, text,
  text, text, jsonb, billing_actor, timestamptz);
DROP FUNCTION orders_write_order(bigint, uuid, uuid, uuid, jsonb, jsonb, jsonb, jsonb, bigint, text, uuid, text,
  text, text, jsonb, billing_actor, timestamptz);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0001_initial"),
        ("promos", "0002_places_are_counted"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]

    operations = [
        migrations.RunSQL(
            [(_APP / file).read_text() for file in ["use_cases/place_order.sql"]],
            REVERSE,
        ),
    ]
