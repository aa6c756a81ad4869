from pathlib import Path

from django.db import migrations

_APP = Path(__file__).parents[1]

REVERSE = """
DROP FUNCTION promos_redeem(uuid, bigint, billing_actor, timestamptz);
DROP FUNCTION promos_claim_or_refuse(uuid, bigint);
DROP FUNCTION promos_open_redemption(uuid, bigint, uuid, billing_actor, timestamptz);
DROP FUNCTION promos_share_places(uuid, bigint, bigint);
DROP FUNCTION promos_return_place(uuid);
DROP FUNCTION promos_claim_place(uuid, bigint);
DROP FUNCTION promos_lock_key(uuid);
DROP TRIGGER promos_redemption_references ON promos_redemption;
DROP FUNCTION promos_check_references();
DROP TRIGGER promos_redemption_check ON promos_redemption;
DROP FUNCTION promos_check_redemption();
DROP TRIGGER promos_redemption_never_deleted ON promos_redemption;
DROP TRIGGER promos_promocode_identity_fixed ON promos_promocode;
DROP TRIGGER promos_promocode_never_deleted ON promos_promocode;
ALTER TABLE promos_promocounter RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("promos", "0001_initial"), ("billing", "0002_ledger_keeps_itself")]

    operations = [
        migrations.RunSQL(
            [
                (_APP / file).read_text()
                for file in ["models/promos.sql", "use_cases/claim_place.sql", "use_cases/redeem.sql"]
            ],
            REVERSE,
        ),
    ]
