"""Every form of the console says at its field what is wrong with an input, and changes nothing."""

from typing import Any

import pytest
from django import forms

from billing.actor import SUPERADMIN
from tests.concurrency.console_forms import FORMS, WHY
from tests.console import client_of, create_user, form_errors
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db

# No text, number, time, key or choice holds a NUL.
BAD = "\0"
# These have no wrong input that a person could enter: a switch, a file, and what a page carries hidden.
HARMLESS = (forms.BooleanField, forms.FileField)
# Two buttons of Django's own page, of which one is always chosen.
BUTTONS = "usable_password"


def fields_of(answer: Any) -> dict[str, forms.Field]:
    form = answer.context["adminform"].form if "adminform" in answer.context else answer.context["form"]
    return {
        name: field
        for name, field in form.fields.items()
        if name != BUTTONS and not isinstance(field, HARMLESS) and not field.widget.is_hidden and not field.disabled
    }


@pytest.mark.parametrize("name", FORMS)
def test_bad_input_is_shown_at_its_field_and_changes_nothing(name: str) -> None:
    form = FORMS[name]()
    browser = client_of(create_user(SUPERADMIN))
    query = {"id": form.inputs["id"]} if "id" in form.inputs else {}
    fields = fields_of(browser.get(form.address, query))
    assert fields
    for field in fields:
        sent = {"reason": WHY, **form.inputs, field: BAD}
        with nothing_changes():
            answer = browser.submit(form.address, sent)
        assert field in form_errors(answer), field
    # An approval may do without a comment; a replay and a password have no reason.
    if "reason" in fields and fields["reason"].required:
        with nothing_changes():
            answer = browser.submit(form.address, {**form.inputs, "reason": " "})
        assert list(form_errors(answer)) == ["reason"]
