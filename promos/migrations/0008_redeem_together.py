from pathlib import Path

from django.db import migrations

_FILE = Path(__file__).parents[1] / "use_cases" / "redeem_together.sql"

REVERSE = """
DROP FUNCTION promos_redeem_together(text, jsonb);
DROP FUNCTION promos_claim_together(uuid, bigint, bigint);
"""


class Migration(migrations.Migration):
    dependencies = [("promos", "0007_lists_keep_to_an_index")]

    operations = [migrations.RunSQL(_FILE.read_text(), REVERSE)]
