"""Every act of the console is found in its code, so that none escapes the tests because a state hides its form."""

import re
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.test import RequestFactory

from billing.actor import SUPERADMIN
from billing.admin.console.base import RecordAdmin
from tests.concurrency.console_forms import FORMS
from tests.concurrency.test_console_forms import DOWNLOADS, ELSEWHERE
from tests.console import create_user
from tests.database import PROJECT

pytestmark = pytest.mark.django_db

# The console's templates that send a form by POST: its one form, which has the token, and signing in.
POSTING = {"console_form.html": True, "login.html": False}
# The folders of templates that only customers' pages use.
CUSTOMERS = {"account", "account_pages", "customer", "mfa", "recovery_codes", "shop", "totp"}
# The switch of the language, which the console does not show.
LANGUAGE = PROJECT / "templates" / "language.html"
# Django's own addresses of forms that are no page of a record.
OTHER_FORMS = {"auth_user_password_change", "billing_processorsettings_changelist"}


def acts() -> Iterator[str]:
    """Yield the name of each address at which a superadmin can change something, as the admins register them."""
    request = RequestFactory().get("/admin/")
    request.user = create_user(SUPERADMIN)
    for model, each in admin.site._registry.items():
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        if isinstance(each, RecordAdmin):
            yield from (f"{label}_{name}" for _, name, _ in each.extra_views())
        if each.has_add_permission(request):
            yield f"{label}_add"
        if each.has_change_permission(request) and type(each).change_view is not RecordAdmin.change_view:
            yield f"{label}_change"


def test_every_act_that_an_admin_registers_is_posted_twice_by_a_test() -> None:
    # The stored keys are one row, whose form is the page of its list.
    found = set(acts()) - DOWNLOADS - {"billing_processorsettings_change"} | OTHER_FORMS
    assert found == {name.partition(",")[0] for name in FORMS} | ELSEWHERE


def test_every_template_of_the_console_with_a_form_is_known_and_has_a_token() -> None:
    posting = [
        path
        for path in (PROJECT / "templates").rglob("*.html")
        if re.search(r'method="?post', path.read_text(), re.IGNORECASE)
    ]
    token = 'include "admin/form_token.html"'
    found = {path.name: token in path.read_text() for path in posting if path.parent.name == "admin"}
    assert found == POSTING
    assert {path.parent.name for path in posting if path != LANGUAGE} <= CUSTOMERS | {"admin"}
    code = [path for app in ("billing", "promos", "orders") for path in (PROJECT / app / "admin").rglob("*.py")]
    named = re.compile(rf'<form|"({"|".join(CUSTOMERS)})/')
    assert [path.name for path in code if named.search(path.read_text())] == []
