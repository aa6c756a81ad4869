from pathlib import Path

from django.db import migrations

_FILE = Path(__file__).parents[1] / "use_cases" / "redeem_together.sql"

# A signature of before; where this file is installed for the first time, there is none.
DROP = """
DROP FUNCTION IF EXISTS promos_redeem_together(text, uuid[], text[], text[], text[], text[], inet[], timestamptz[]);
"""


class Migration(migrations.Migration):
    dependencies = [("promos", "0008_redeem_together")]

    operations = [migrations.RunSQL(DROP + _FILE.read_text(), migrations.RunSQL.noop)]
