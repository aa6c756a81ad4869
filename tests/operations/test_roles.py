"""roles.sql: with rows alone the service works, and can change neither tables nor history."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test import Client

from billing.models import AuditEntry
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.proof.audit.verify_audit import verify_audit_chain
from billing.use_cases.record_audit import record_audit
from orders.use_cases.personal.erase_customer import erase_customer
from orders.use_cases.personal.finish_erasure import finish_erasure
from orders.use_cases.prune_expired import prune_expired
from tests.contract.api_client import by_token
from tests.factories import AddOnFactory, PlanFactory, acting, actor

ROLES = Path(__file__).resolve().parents[2] / "deploy/roles.sql"
pytestmark = pytest.mark.django_db


def statements() -> str:
    """Return roles.sql with the name of the drill's user, as psql reads it."""
    text = re.sub(r"^--.*$", "", ROLES.read_text(), flags=re.MULTILINE)
    return text.replace(':"app"', "qasima_drill_app").replace(":'app'", "'qasima_drill_app'")


@pytest.fixture
def as_app(db: None) -> Iterator[None]:
    """Go on as a user that roles.sql has made."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE qasima_drill_app")
        cursor.execute(statements())
        cursor.execute("SET ROLE qasima_drill_app")
        yield
        cursor.execute("RESET ROLE")


def test_vouchers_checkouts_and_the_console_need_rows_alone(as_app: None, client: Client) -> None:
    PlanFactory.create(slug="m", price_minor=9_000)
    AddOnFactory.create(slug="backup", price_minor=500)

    noor, ada, bob = by_token("sovereign-admin", "noor"), by_token("customer", "ada"), by_token("customer", "bob")
    answers = [noor.post("billing/vouchers/issue", {"code": "GIFT", "credit_omr": 20, "max_redemptions": 5})]
    answers.append(ada.post("tenant/orgs", {"slug": "ada-bakery", "name": "Ada"}))
    basket = {"tenant_id": answers[-1].body["id"], "plan_id": "m", "addons": ["backup"], "promo_code": "GIFT"}
    answers.append(ada.post("billing/checkout", basket))
    answers.append(bob.post("billing/vouchers/redeem", {"code": "GIFT"}))
    assert [answer.status for answer in answers] == [200, 201, 200, 200]
    prune_expired()
    assert client.get("/readyz").status_code == 200


def test_an_extensions_functions_do_not_stop_it() -> None:
    """An owner that is no superuser may not grant what an extension such as pg_stat_statements keeps for its own."""
    with connection.cursor() as cursor:
        cursor.execute("""
            CREATE FUNCTION extension_reset() RETURNS int LANGUAGE sql AS 'SELECT 1';
            REVOKE EXECUTE ON FUNCTION extension_reset() FROM PUBLIC;
            CREATE ROLE qasima_drill_app;
            CREATE ROLE qasima_drill_owner;
            GRANT ALL ON SCHEMA public TO qasima_drill_owner WITH GRANT OPTION;
            GRANT ALL ON ALL TABLES IN SCHEMA public TO qasima_drill_owner WITH GRANT OPTION;
            GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO qasima_drill_owner WITH GRANT OPTION""")
        cursor.execute("SET ROLE qasima_drill_owner")
        cursor.execute("CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        cursor.execute("REVOKE EXECUTE ON FUNCTION own() FROM PUBLIC")
        cursor.execute(statements())
        cursor.execute("SET ROLE qasima_drill_app")
        cursor.execute("SELECT own(), has_function_privilege('extension_reset()', 'EXECUTE')")
        assert cursor.fetchone() == (1, False)


def test_an_erasure_reaches_the_audit_trail_with_rows_alone(as_app: None) -> None:
    customer = ensure_customer(user_id="ada", email="ada@example.org")
    record_audit(action="drill", object_type="drill", object_id="1", by=acting(customer), reason="ada@example.org")
    erase_customer(customer_id=customer.pk, lose_credit=True, why="she asked for it by letter", by=actor())
    finish_erasure(customer_id=customer.pk)
    assert AuditEntry.objects.get(action="drill").reason == "erased"
    assert verify_audit_chain()[1] == ""


def test_nothing_of_the_users_own_runs_as_the_owner(as_app: None) -> None:
    """A temporary view stands before the tables, unless the search path says otherwise."""
    record_audit(action="drill", object_type="drill", object_id="1", by=actor(), reason="ada@example.org")
    with connection.cursor() as cursor:
        cursor.execute("""
            CREATE FUNCTION pg_temp.run() RETURNS uuid LANGUAGE plpgsql AS
              $$ BEGIN RAISE EXCEPTION 'runs as %', current_user; END $$;
            CREATE TEMPORARY VIEW billing_auditlink AS
              SELECT 1::bigint AS number, pg_temp.run() AS entry_id, ''::bytea AS hash;
            GRANT SELECT ON pg_temp.billing_auditlink TO PUBLIC""")
        cursor.execute("SELECT number FROM billing_erase_audit('{}', 'ada@example.org')")
        assert len(cursor.fetchall()) == 1
        cursor.execute("SELECT proname FROM pg_proc WHERE prosecdef AND NOT proconfig::text LIKE '%%, pg_temp\"}'")
        assert cursor.fetchall() == []


def test_rows_that_triggers_keep_are_kept_by_privileges_too(as_app: None) -> None:
    """A trigger with a condition refuses only some changes. Truncation is granted nowhere."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT c.relname, privilege FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
              JOIN pg_proc p ON p.oid = t.tgfoid JOIN (VALUES (8, 'DELETE'), (16, 'UPDATE')) AS kind (bit, privilege)
                ON t.tgtype & bit > 0
             WHERE p.proname = 'billing_refuse' AND t.tgqual IS NULL
            UNION VALUES ('billing_auditentry', 'UPDATE')""")
        kept = {(table, privilege) for table, privilege in cursor.fetchall()}
        cursor.execute("""
            SELECT relname, privilege FROM pg_class, (VALUES ('DELETE'), ('UPDATE')) AS kind (privilege)
             WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
               AND NOT has_table_privilege(oid, privilege)""")
        refused = {(table, privilege) for table, privilege in cursor.fetchall()}
    of_migrate = {
        (table, each) for table in ("django_migrations", "billing_installedsql") for each in ("DELETE", "UPDATE")
    }
    assert len(kept) > 40
    assert refused == kept | of_migrate


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_ledgerentry SET amount_minor = 1",
        "DELETE FROM billing_ledgerentry",
        "TRUNCATE billing_ledgerentry CASCADE",
        "ALTER TABLE billing_ledgerentry DISABLE TRIGGER ALL",
        "DELETE FROM billing_auditentry",
        "UPDATE billing_auditentry SET reason = ''",
        "DELETE FROM billing_hold",
        "UPDATE orders_document SET id = id",
        "DELETE FROM promos_redemption",
        "DELETE FROM billing_ledgerhead",
        "DROP TABLE billing_account",
        "CREATE TABLE mine (id int)",
        "DELETE FROM django_migrations",
        "UPDATE billing_installedsql SET sha256 = ''",
        "SET session_replication_role = replica",
        "COPY billing_account TO PROGRAM 'cat'",
    ],
)
def test_tables_functions_and_history_stay(as_app: None, statement: str) -> None:
    record_audit(action="drill", object_type="drill", object_id="1", by=actor())
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
