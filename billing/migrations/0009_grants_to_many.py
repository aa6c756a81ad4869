from pathlib import Path

from django.db import migrations

_FILE = Path(__file__).parents[1] / "use_cases" / "grant_many.sql"

REVERSE = """
DROP FUNCTION billing_grant_many(text[], bigint, text, text, text, billing_actor);
DROP FUNCTION billing_lock_accounts(text[]);
DROP FUNCTION billing_make_customers(text[], text);
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_one_grant_per_reason")]

    operations = [migrations.RunSQL(_FILE.read_text(), REVERSE)]
