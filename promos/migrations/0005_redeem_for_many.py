from pathlib import Path

from django.db import migrations

_FILE = Path(__file__).parents[1] / "use_cases" / "redeem_many.sql"

REVERSE = """
DROP FUNCTION promos_redeem_many(text, text[], text, billing_actor, text, timestamptz);
DROP FUNCTION promos_claim_places(uuid, bigint);
"""


class Migration(migrations.Migration):
    dependencies = [("promos", "0004_rules_in_the_trigger"), ("billing", "0009_grants_to_many")]

    operations = [migrations.RunSQL(_FILE.read_text(), REVERSE)]
