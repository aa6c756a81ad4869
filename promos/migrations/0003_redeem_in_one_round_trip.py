from pathlib import Path

from django.db import migrations

_APP = Path(__file__).parents[1]

# What it returns has changed, which REPLACE cannot do. A database that is made anew has it as it is now.
FORGET = """
DROP FUNCTION IF EXISTS promos_redeem(uuid, bigint, billing_actor, timestamptz);
DROP FUNCTION IF EXISTS promos_open_redemption(uuid, bigint, uuid, billing_actor, timestamptz);
"""
REVERSE = "DROP FUNCTION promos_redeem_code(text, text, text, billing_actor, timestamptz)"


class Migration(migrations.Migration):
    dependencies = [("promos", "0002_places_are_counted")]

    operations = [
        migrations.RunSQL(
            [FORGET, *((_APP / file).read_text() for file in ["use_cases/claim_place.sql", "use_cases/redeem.sql"])],
            REVERSE,
        ),
    ]
