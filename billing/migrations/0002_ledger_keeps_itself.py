from pathlib import Path

from django.db import migrations

_APP = Path(__file__).parents[1]

REVERSE = """
DROP TRIGGER billing_hold_apply ON billing_hold;
DROP TRIGGER billing_account_moved_by_entries ON billing_account;
DROP TRIGGER billing_account_starts_empty ON billing_account;
DROP TRIGGER billing_hold_never_deleted ON billing_hold;
DROP TRIGGER billing_account_never_deleted ON billing_account;
DROP TRIGGER billing_auditentry_append_only ON billing_auditentry;
DROP TRIGGER billing_ledgerentry_append_only ON billing_ledgerentry;
DROP TRIGGER billing_ledgerentry_post ON billing_ledgerentry;
DROP FUNCTION billing_apply_hold();
DROP FUNCTION billing_refuse();
DROP FUNCTION billing_post_entry();
DROP VIEW billing_grants;
DROP FUNCTION billing_post_grants();
DROP TYPE billing_grant;
DROP TYPE billing_actor;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [
        migrations.RunSQL(
            [(_APP / file).read_text() for file in ["models/ledger.sql"]],
            REVERSE,
        ),
        migrations.RunSQL(
            "ALTER TABLE billing_ratelimitwindow SET UNLOGGED",
            "ALTER TABLE billing_ratelimitwindow SET LOGGED",
        ),
    ]
