"""Staff read in their own language why an event of another system was set aside."""

import json
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import translation
from django.utils.html import escape

from billing.actor import SUPERADMIN
from orders.api.provisioning.reports import parse_report
from orders.errors import ProvisionNotFound
from orders.models import DeadLetter
from orders.use_cases.events.apply_dead_letter import apply_dead_letter
from orders.use_cases.events.receive_events import TOPICS
from tests.console import client_of, create_user

pytestmark = pytest.mark.django_db

OF_A_REPORT = "steps: This field is required."


@pytest.mark.parametrize(
    ("reason", "in_arabic"),
    [
        ("the event has no id", "ليس للحدث معرّف"),
        (f"the report is not valid: {OF_A_REPORT}", f"التقرير غير صالح: \u2068{OF_A_REPORT}\u2069"),
        # What nobody foresaw is named by its type.
        ("KeyError", "KeyError"),
    ],
)
def test_a_reason_is_shown_in_the_readers_language(reason: str, in_arabic: str) -> None:
    letter = DeadLetter.objects.create(key="1", topic=TOPICS[0], body=b"{}", reason=reason)
    reader = client_of(create_user(SUPERADMIN))
    pages = [reverse("admin:orders_deadletter_changelist")]
    pages += [reverse(f"admin:orders_deadletter_{name}", args=[letter.pk]) for name in ("change", "apply", "close")]
    for language, shown in (("en", reason), ("ar", in_arabic)):
        for page in pages:
            assert escape(shown) in reader.get(page, headers={"accept-language": language}).content.decode()


def test_a_reason_is_kept_in_english_and_a_refusal_has_an_arabic_one() -> None:
    body = {"type": "provision.progress", "id": "r", "data": {"provision_id": str(uuid4()), "step": "dns"}}
    letter = DeadLetter.objects.create(key="1", topic=TOPICS[1], body=json.dumps(body).encode(), reason="x")
    refusal = ProvisionNotFound()
    with translation.override("ar"):
        assert not apply_dead_letter(dead_letter_id=letter.pk, parse_report=parse_report)
        in_arabic = refusal.text
    letter.refresh_from_db()
    assert letter.reason == refusal.english != in_arabic
    page = reverse("admin:orders_deadletter_change", args=[letter.pk])
    shown = client_of(create_user(SUPERADMIN)).get(page, headers={"accept-language": "ar"}).content.decode()
    assert escape(in_arabic) in shown
