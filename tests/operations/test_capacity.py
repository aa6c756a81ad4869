"""The study of a distributed PostgreSQL names the key of every table once, and counts what the schema has."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import ForeignKey, Model

from billing.models import Account, Customer

STUDY = Path(__file__).resolve().parents[2] / "deploy/capacity.md"
APPS = ("billing", "promos", "orders")
NAMED = rf"`((?:{'|'.join(APPS)})_\w+)`( \([^)]*\))?"
OURS = "n.nspname = 'public' AND {name} ~ '^(billing|promos|orders)_'"
# What the table of features counts, by the words before the number.
COUNTS = {
    "triggers": "SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n"
    f" ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND {OURS.format(name='c.relname')}",
    "functions that write": "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    f" WHERE {OURS.format(name='p.proname')}",
    "deferred constraint triggers": "SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.tgdeferrable AND NOT t.tgisinternal"
    f" AND {OURS.format(name='c.relname')}",
}


def models() -> dict[str, type[Model]]:
    every = (each for app in APPS for each in apps.get_app_config(app).get_models(include_auto_created=True))
    return {each._meta.db_table: each for each in every}


def keys() -> dict[str, list[tuple[str, str]]]:
    """The tables of each distribution key, each with its remark."""
    section = STUDY.read_text().partition("## The distribution key of every table")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|`]+) \| (`.+) \|$", section, re.MULTILINE)
    return {key: re.findall(NAMED, tables) for key, tables in rows}


def column(table: str, name: str) -> Any:
    return next((each for each in models()[table]._meta.local_fields if each.column == name), None)


def test_every_table_has_one_distribution_key() -> None:
    named = Counter(table for tables in keys().values() for table, _ in tables)
    assert named == Counter(list(models()))


def test_a_table_has_the_customers_column_where_the_study_says_so() -> None:
    """An account's key is its customer's, so a reference to an account is one to the customer."""
    has = {
        table
        for table, model in models().items()
        for each in model._meta.local_fields
        if isinstance(each, ForeignKey) and each.related_model in (Customer, Account) and not each.null
    }
    assert Account._meta.pk.column == "customer_id"
    assert {table for table, _ in keys()["customer, has the column"]} == has | {"billing_customer"}


@pytest.mark.parametrize(("key", "name"), [("code", "promo_code_id"), ("campaign", "campaign_id")])
def test_a_table_has_its_codes_or_campaigns_column_or_a_remark(key: str, name: str) -> None:
    without = [
        table
        for table, remark in keys()[key]
        if not remark and ((found := column(table, name)) is None or found.null)
    ]
    assert without == []


@pytest.mark.django_db
@pytest.mark.parametrize("counted", COUNTS)
def test_the_study_counts_what_the_schema_has(counted: str) -> None:
    [said] = re.findall(rf"^\| {counted} \((?:of )?(\d+)\)", STUDY.read_text(), re.MULTILINE)
    with connection.cursor() as cursor:
        cursor.execute(COUNTS[counted])
        assert int(said) == cursor.fetchone()[0]
