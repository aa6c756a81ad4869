"""No page of the console runs what somebody wrote: columns of text are filled with markup, and their pages read."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, models, transaction
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from billing.actor import SUPERADMIN
from tests.console import client_of, create_one_of_each, create_user

pytestmark = pytest.mark.django_db

# It ends an attribute and begins an element.
ELEMENT = "<i/x>"
MARKUP = f"\"'>{ELEMENT}"
# So that the test cannot pass because nothing is shown.
MANY = 100


@pytest.fixture
def reader(db: None) -> Client:
    client = client_of(create_user(SUPERADMIN))
    # A text that the service never writes, such as an unknown currency, may make a page fail. It shows nothing then.
    client.raise_request_exception = False
    return client


def columns_of_text(model: type[models.Model]) -> Iterator["models.Field[Any, Any]"]:
    for field in model._meta.concrete_fields:
        is_text = isinstance(field, models.CharField | models.TextField)
        if is_text and not field.primary_key and (field.max_length is None or field.max_length >= len(MARKUP)):
            yield field


def fill(model: type[models.Model], field: "models.Field[Any, Any]") -> bool:
    """Writes the markup into a column; returns False where the database refuses it."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # Past the triggers that keep records as they are.
            cursor.execute("SET LOCAL session_replication_role = replica")
            QuerySet(model).update(**{field.name: MARKUP})
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL session_replication_role = origin")
    except DatabaseError:
        return False
    return True


def read_filled(reader: Client, name: str, key: object, field: "models.Field[Any, Any]") -> list[str]:
    """Returns list and page of a record as they are with markup in a column, which then has its own texts again."""
    pages = [reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_change", args=[key])]
    with transaction.atomic():
        answers = [reader.get(page) for page in pages] if fill(field.model, field) else []
        transaction.set_rollback(True)
    return [answer.content.decode() for answer in answers if answer.status_code == HTTPStatus.OK]


def test_no_text_is_markup_on_the_pages_of_its_record(reader: Client) -> None:
    escaped, raw = 0, []
    for name, key in create_one_of_each().items():
        for field in columns_of_text(apps.get_model(name.replace("_", ".", 1))):
            for page in read_filled(reader, name, key, field):
                if ELEMENT in page:
                    raw.append(f"{name}.{field.name}")
                escaped += escape(ELEMENT) in page
    assert raw == []
    assert escaped > MANY
