"""The pages of a record and of its acts in each of its states: none fails, and no form lacks a token."""

import re
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, models

from billing.actor import SUPERADMIN
from billing.admin.console.base import RecordAdmin
from orders.models import Order, Payment
from tests.concurrency.console_forms import FORMS, page, records
from tests.concurrency.test_console_forms import ELSEWHERE
from tests.console import Browser, client_of, create_user
from tests.rules import TRIGGERS_OFF

pytestmark = pytest.mark.django_db


def test_no_state_of_a_record_shows_a_form_without_a_token() -> None:
    keys: dict[str, Any] = {**records()}
    browser = client_of(create_user(SUPERADMIN))
    let_any_state_be_stored()
    shown: set[str] = set()
    for model, each in admin.site._registry.items():
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        states = getattr(getattr(model, "Status", None), "values", None)
        if not states or not isinstance(each, RecordAdmin) or label not in keys:
            continue
        names = [f"{label}_change", *(f"{label}_{name}" for _, name, _ in each.extra_views())]
        for state in states:
            model._default_manager.filter(pk=keys[label]).update(status=state)
            shown |= {name for name in names if has_form(browser, name, keys[label])}
    Order.objects.filter(pk=keys["orders_order"]).update(status=Order.Status.PENDING)
    for payment in Payment.Status:
        Payment.objects.update(status=payment)
        names = ["orders_order_change", "orders_order_refund", "orders_order_close"]
        shown |= {name for name in names if has_form(browser, name, keys["orders_order"])}
    assert shown == {name for name in FORMS if name in shown} | (ELSEWHERE & shown)
    assert {
        "orders_order_refund",
        "orders_order_close",
        "promos_batch_approve",
        "promos_batch_void",
        "promos_campaign_end",
    } <= shown


def let_any_state_be_stored() -> None:
    """Let the rest of the test store any state of any record, as no history could bring it about."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(TRIGGERS_OFF)
        for model in admin.site._registry:
            for rule in model._meta.constraints:
                if isinstance(rule, models.CheckConstraint):
                    cursor.execute(f'ALTER TABLE "{model._meta.db_table}" DROP CONSTRAINT "{rule.name}"')


def has_form(browser: Browser, name: str, key: object) -> bool:
    """Return whether the page has a form, after asserting that each of its forms has a token."""
    answer: Any = browser.get(page(name, key))
    assert answer.status_code in (HTTPStatus.OK, HTTPStatus.FOUND, HTTPStatus.NOT_FOUND), (name, answer.status_code)
    forms = re.findall(r'<form[^>]*method="post".*?</form>', answer.content.decode(), re.DOTALL)
    own = [text for text in forms if 'id="logout-form"' not in text]
    assert all('name="form_token"' in text for text in own), name
    return bool(own)
