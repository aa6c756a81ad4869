"""Vouchers in the console: paused, resumed, retired, one or many, and listed by their state."""

from datetime import timedelta
from http import HTTPStatus

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from billing.actor import AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import User
from promos.models import PromoCode
from promos.use_cases.change_code import pause_code, retire_code
from promos.use_cases.redeem_code import redeem
from tests.console import (
    Browser,
    client_of,
    create_user,
    expected_audit_entry,
    form_errors,
    latest_audit_entry,
    shown_messages,
)
from tests.factories import PromoCodeFactory, actor
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

ADD = "/admin/promos/promocode/add/"
LIST = "/admin/promos/promocode/"
WHY = "approved by marketing"
TERMS = {"credit": "50.000", "max_redemptions": "50", "description": "Welcome", "active": "on", "reason": WHY}


@pytest.fixture
def omar(db: None) -> User:
    return create_user(SOVEREIGN_ADMIN)


@pytest.fixture
def client(omar: User) -> Browser:
    return client_of(omar)


def page_of(code: PromoCode) -> str:
    return reverse("admin:promos_promocode_change", args=[code.pk])


def changed_terms(code: PromoCode, /, **terms: str) -> dict[str, str]:
    return {**TERMS, **terms}


# --- Pause, resume, retire --------------------------------------------------------------------------------------

STATES = {"pause": (False, False), "resume": (True, False), "retire": (True, True)}


@pytest.mark.parametrize(("verb", "done"), [("pause", "paused"), ("resume", "resumed"), ("retire", "retired")])
def test_changes_the_state_after_asking_why(client: Browser, omar: User, verb: str, done: str) -> None:
    code = PromoCodeFactory.create(code="WELCOME50")
    if verb == "resume":
        pause_code(code="WELCOME50", by=actor())
    address = reverse(f"admin:promos_promocode_{verb}")
    with nothing_changes():
        assert f"{verb.title()} WELCOME50" in client.get(address, {"id": str(code.pk)}).content.decode()
        assert form_errors(client.submit(address, {"id": code.pk})) == {"reason": ["This field is required."]}
    with only_changes("promos_promocode", "billing_auditentry"):
        answer = client.submit(address, {"id": code.pk, "reason": WHY})
    assert (answer.headers["Location"], shown_messages(answer)) == (page_of(code), [f"{done.title()}: WELCOME50."])
    code.refresh_from_db()
    assert (code.active, code.retired_at is not None) == STATES[verb]
    assert latest_audit_entry() == expected_audit_entry(omar, f"promo_code.{done}", "WELCOME50", why=WHY)


def test_an_action_confirms_and_reports_each_code(client: Browser) -> None:
    codes = [PromoCodeFactory.create(code=text) for text in ("ONE", "TWO", "SIX")]
    keys = [str(code.pk) for code in codes]
    with nothing_changes():
        asked = client.submit(LIST, {"action": "pause", "index": "0", "_selected_action": keys})
    page = asked.content.decode()
    assert "Pause 3 vouchers" in page
    assert all(f'name="id" value="{key}"' in page for key in keys)
    token = asked.context["token"]
    retire_code(code="ONE", by=actor())
    pause_code(code="TWO", by=actor())
    sent = {"id": keys, "reason": WHY, "form_token": token}
    answer = client.submit(reverse("admin:promos_promocode_pause"), sent)
    assert answer.headers["Location"] == LIST
    changed = "this was changed after you opened the page, so nothing was done: open the page again to see the change"
    assert shown_messages(answer) == [
        f"ONE was not paused: {changed}.",
        f"TWO was not paused: {changed}.",
        "Paused: SIX.",
    ]
    assert not PromoCode.objects.filter(active=True, retired_at__isnull=True).exists()


def test_a_state_that_a_code_has_already_is_reported(client: Browser) -> None:
    keys = [str(PromoCodeFactory.create(code="ONE").pk), str(PromoCodeFactory.create(code="TWO", active=False).pk)]
    answer = client.submit(reverse("admin:promos_promocode_pause"), {"id": keys, "reason": WHY})
    assert shown_messages(answer) == ["Paused: ONE.", "Already paused, nothing to change: TWO."]


def test_an_action_applies_to_chosen_codes_that_left_the_list(client: Browser) -> None:
    code = PromoCodeFactory.create(code="ONE")
    retire_code(code="ONE", by=actor())
    asked = client.submit(LIST, {"action": "retire", "index": "0", "_selected_action": [str(code.pk)]})
    assert "Retire ONE" in asked.content.decode()


def test_an_action_on_all_applies_to_the_filtered_codes(client: Browser) -> None:
    PromoCodeFactory.create(code="SHOWN-CODE")
    PromoCodeFactory.create(code="PAUSED-CODE")
    pause_code(code="PAUSED-CODE", by=actor())
    sent = {"action": "retire", "index": "0", "select_across": "1", "_selected_action": ["x"]}
    with nothing_changes():
        assert "Some of the selected rows are not in this list. Nothing was changed." in shown_messages(
            client.submit(LIST, {**sent, "select_across": "0"})
        )
    chosen = PromoCode.objects.get(code="SHOWN-CODE")
    asked = client.submit(f"{LIST}?state=live", {**sent, "_selected_action": [str(chosen.pk)]})
    page = asked.content.decode()
    assert "Retire SHOWN-CODE" in page
    assert "PAUSED-CODE" not in page


def test_an_action_on_too_many_codes_is_refused(client: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promos.admin.code_states._MAX_SELECTED", 1)
    keys = [str(PromoCodeFactory.create().pk) for _ in range(2)]
    sent = {"action": "retire", "index": "0", "select_across": "1", "_selected_action": keys[:1]}
    with nothing_changes():
        answer = client.submit(LIST, sent)
        assert shown_messages(answer) == ["Choose at most 1 vouchers. Nothing was changed."]
        address = reverse("admin:promos_promocode_retire")
        assert client.submit(address, {"id": keys, "reason": WHY}).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("ids", [[], [""], ["x"], ["00000000-0000-0000-0000-000000000000"], ["\0"], ["9" * 5000]])
@pytest.mark.parametrize("verb", ["pause", "resume", "retire"])
def test_a_state_of_nothing_is_not_found(client: Browser, verb: str, ids: list[str]) -> None:
    address = reverse(f"admin:promos_promocode_{verb}")
    with nothing_changes():
        assert client.submit(address, {"id": ids, "reason": WHY}).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("action", ["", "delete_selected", "x", "\0", "pause\0"])
def test_an_unknown_action_does_nothing(client: Browser, action: str) -> None:
    code = PromoCodeFactory.create()
    with nothing_changes():
        answer = client.submit(LIST, {"action": action, "index": "x", "_selected_action": [str(code.pk)]})
    assert answer.status_code in (HTTPStatus.OK, HTTPStatus.FOUND)


def test_a_busy_code_is_reported(client: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    code = PromoCodeFactory.create(code="HOT")

    def waits(**_: object) -> None:
        # The error that PostgreSQL raises when lock_timeout ends a wait.
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE lock_not_available; END $$")

    monkeypatch.setattr("promos.use_cases.change_code.lock_code_exclusively", waits)
    monkeypatch.setattr("promos.admin.code_states.lock_code_exclusively", waits)
    with nothing_changes():
        retired = client.submit(reverse("admin:promos_promocode_retire"), {"id": code.pk, "reason": WHY})
        changed = client.submit(page_of(code), changed_terms(code))
    assert shown_messages(retired) == ["HOT was not retired: the service is busy: try again."]
    assert form_errors(changed) == {"__all__": ["The service is busy: try again."]}


# --- The list ---------------------------------------------------------------------------------------------------


@pytest.fixture
def every_state(db: None) -> None:
    now = timezone.now()
    PromoCodeFactory.create(code="LIVE", max_redemptions=50)
    PromoCodeFactory.create(code="OPEN")
    PromoCodeFactory.create(code="PAUSED", active=False)
    PromoCodeFactory.create(code="EARLY", starts_at=now + timedelta(days=1))
    PromoCodeFactory.create(code="LATE", expires_at=now - timedelta(days=1))
    PromoCodeFactory.create(code="FULL", max_redemptions=1)
    PromoCodeFactory.create(code="RETIRED")
    retire_code(code="RETIRED", by=actor())
    for code in ("LIVE", "OPEN", "FULL"):
        redeem(code=code, user_id="ada", by=actor())


LISTED = {
    "": {"LIVE", "OPEN", "PAUSED", "EARLY", "LATE", "FULL"},
    "live": {"LIVE", "OPEN"},
    "paused": {"PAUSED"},
    "not-started": {"EARLY"},
    "expired": {"LATE"},
    "exhausted": {"FULL"},
    "retired": {"RETIRED"},
    "all": {"LIVE", "OPEN", "PAUSED", "EARLY", "LATE", "FULL", "RETIRED"},
    "nonsense": {"LIVE", "OPEN", "PAUSED", "EARLY", "LATE", "FULL"},
}


@pytest.mark.usefixtures("every_state")
@pytest.mark.parametrize("state", LISTED)
def test_the_list_filters_by_state(client: Browser, state: str) -> None:
    answer = client.get(LIST, {"state": state} if state else {})
    assert {code.code for code in answer.context["cl"].result_list} == LISTED[state]


@pytest.mark.usefixtures("every_state")
def test_the_list_shows_state_and_use(client: Browser) -> None:
    answer = client.get(LIST, {"state": "all"})
    admin = answer.context["cl"].model_admin
    rows = {code.code: (str(code.state), admin.use(code)) for code in answer.context["cl"].result_list}
    used = {code: text.partition('class="moment">')[2].partition("<")[0] for code, (_, text) in rows.items()}
    assert used == {
        "LIVE": "1 of 50",
        "OPEN": "1, no cap",
        "PAUSED": "0, no cap",
        "EARLY": "0, no cap",
        "LATE": "0, no cap",
        "FULL": "1 of 1",
        "RETIRED": "0, no cap",
    }
    states = {code: state for code, (state, _) in rows.items()}
    assert {code for code, state in states.items() if state == "live"} == {"LIVE", "OPEN"}
    assert '<span class="mono struck">RETIRED</span>' in answer.content.decode()


@pytest.mark.usefixtures("every_state")
@pytest.mark.parametrize(("term", "found"), [("live", {"LIVE"}), ("LAT", {"LATE"}), ("\0", None), ("%", set())])
def test_the_list_is_searched(client: Browser, term: str, found: set[str] | None) -> None:
    answer = client.get(LIST, {"q": term})
    if found is None:
        assert answer.status_code == HTTPStatus.BAD_REQUEST
    else:
        assert {code.code for code in answer.context["cl"].result_list} == found


@pytest.mark.parametrize("role", [SOVEREIGN_ADMIN, SUPERADMIN, AUDITOR])
def test_only_roles_that_may_change_codes_see_the_actions(role: str) -> None:
    code = PromoCodeFactory.create()
    client = client_of(create_user(role))
    text = client.get(LIST).content.decode() + client.get(page_of(code)).content.decode()
    offers = ("Issue a voucher", "/promocode/pause/", "/promocode/retire/", 'name="_selected_action"', "Save")
    assert {offer in text for offer in offers} == {role != AUDITOR}
