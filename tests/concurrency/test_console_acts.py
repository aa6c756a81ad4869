"""Every act of the console is found in its code, so that none escapes the tests because a state hides its form."""

import re
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.test import RequestFactory

from billing.actor import SUPERADMIN
from billing.admin.console.base import RecordAdmin
from tests.concurrency.console_forms import FORMS
from tests.concurrency.test_console_forms import ELSEWHERE
from tests.console import create_user
from tests.database import PROJECT

pytestmark = pytest.mark.django_db

# The templates that send a form by POST: the console's one form, which has the token; signing in; customers' pages.
POSTING = {
    "admin/console_form.html": True,
    "admin/login.html": False,
    "account/form.html": False,
    "customer/redeem.html": False,
}
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
    found = set(acts()) - {"billing_processorsettings_change"} | OTHER_FORMS
    assert found == {name.partition(",")[0] for name in FORMS} | ELSEWHERE


def test_every_template_with_a_form_is_known_and_those_of_the_console_have_a_token() -> None:
    root = PROJECT / "templates"
    found = {
        str(path.relative_to(root)): 'include "admin/form_token.html"' in path.read_text()
        for path in sorted(root.rglob("*.html"))
        if re.search(r'method="?post', path.read_text(), re.IGNORECASE)
    }
    assert found == POSTING
    folders = ("billing", "promos", "orders", "config/web")
    code = [path for folder in folders for path in (PROJECT / folder).rglob("*.py")]
    assert [path.name for path in code if "<form" in path.read_text()] == []
