"""Staff are alerted of guessing, of cards tried before activation, and of a customer who redeems many codes."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.actor import AUDITOR, CUSTOMER, SOVEREIGN_ADMIN, SUPERADMIN, Actor
from billing.errors import ReasonRequired
from billing.models import AuditEntry
from promos.errors import CardNotActive, PromoAlreadyRedeemed, PromoExhausted, PromoNotFound, PromoProblem
from promos.models import Alert, RefusedAttempt
from promos.use_cases.alerts.close_alert import close_alert
from promos.use_cases.alerts.raise_alerts import raise_alerts
from promos.use_cases.alerts.send_alert_mail import send_alert_mail
from promos.use_cases.attempts.record_attempt import record_attempt
from promos.use_cases.ranges.act_on_cards import act_on_cards
from promos.use_cases.ranges.keep_dealers import add_dealer
from promos.use_cases.ranges.plan_act import Act
from promos.use_cases.redeem_code import redeem
from tests.console import client_of, create_user
from tests.factories import PromoCodeFactory, actor
from tests.promos.cards.make_batch import active, codes_of, released

pytestmark = pytest.mark.django_db

HERE = "203.0.113.9"


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.ALERT_REFUSED_CODES = "3/min"
    settings.ALERT_REDEMPTIONS = "2/min"


def refuse(number: int, *, user_id: str = "", code: str = "NONE", problem: PromoProblem | None = None) -> None:
    by = Actor(user_id=user_id or "anonymous", role=CUSTOMER, channel="api", address=None if user_id else HERE)
    for _ in range(number):
        record_attempt(problem or PromoNotFound(), code=code, act=RefusedAttempt.Act.PREVIEW, by=by)


def raised() -> list[tuple[str, str, int]]:
    return [(alert.kind, alert.subject, alert.number) for alert in raise_alerts()]


@pytest.mark.parametrize(("user_id", "expected"), [("", ("address", HERE, 4)), ("ada", ("customer", "ada", 4))])
def test_more_refusals_than_the_limit_alert_once(user_id: str, expected: tuple[str, str, int]) -> None:
    refuse(3, user_id=user_id)
    assert raised() == []
    refuse(1, user_id=user_id)
    assert raised() == [expected]
    refuse(2, user_id=user_id)
    assert raised() == []
    assert Alert.objects.get().number == 6
    assert raise_alerts(now=timezone.now() + timedelta(minutes=5)) == []


def test_a_closed_alert_opens_again_only_by_what_happens_afterwards() -> None:
    refuse(4, user_id="ada")
    [alert] = raise_alerts()
    with pytest.raises(ReasonRequired):
        close_alert(alert_id=alert.id, why=" ", by=actor(user_id="noor"))
    close_alert(alert_id=alert.id, why="I called her", by=actor(user_id="noor"))
    assert close_alert(alert_id=alert.id, why="again", by=actor(user_id="eve")).closed_by == "noor"
    assert AuditEntry.objects.get(action="alert.closed").reason == "I called her"
    refuse(3, user_id="ada")
    assert raised() == []
    refuse(1, user_id="ada")
    assert raised() == [("customer", "ada", 4)]


def test_a_card_tried_before_its_activation_alerts_at_once() -> None:
    batch = released()
    refuse(1, code=codes_of(batch)[0], problem=CardNotActive(serial=batch.first_serial))
    assert raised() == [("early_card", "SHOPS-1", 1)]


def test_many_refusals_of_one_range_of_cards_alert() -> None:
    """From many addresses and customers: neither of them has many refusals."""
    batch = active(size=6)
    first, codes = batch.first_serial, codes_of(batch)
    dealer = add_dealer(name="Muscat Mall", by=actor())
    act_on_cards(
        batch=batch, act=Act.ALLOCATE, spans=[(first, first + 2)], dealer=dealer, by=actor(), reason="delivered"
    )
    # Cards of the range, cards in no range, and refusals that say nothing about a range.
    problems = (PromoExhausted(), PromoAlreadyRedeemed(), CardNotActive(serial=first))
    for problem, card in ((problems[0], 1), (problems[0], 4), (problems[1], 5), (problems[2], 0)):
        for number in range(3):
            refuse(1, user_id=f"{card}-{number}", code=codes[card], problem=problem)
    assert raised() == [("early_card", "SHOPS-1", 3)]
    refuse(1, user_id="bob", code=codes[2], problem=problems[0])
    refuse(2, user_id="carl", code=codes[5], problem=problems[1])
    assert raised() == [("range", f"SHOPS-1 {first}-{first + 2}", 4)]
    refuse(1, user_id="bob", code=codes[5], problem=problems[0])
    assert raised() == [("range", "SHOPS-1", 4)]
    client = client_of(create_user(SUPERADMIN))
    listed = client.get(reverse("admin:promos_alert_changelist"), {"q": "SHOPS-1"}).content.decode()
    assert f"SHOPS-1 {first}-{first + 2}" in listed
    alert = Alert.objects.get(subject=f"SHOPS-1 {first}-{first + 2}")
    page = client.get(reverse("admin:promos_alert_change", args=[alert.pk])).content.decode()
    assert reverse("admin:promos_refusedattempt_changelist") + "?promo_code__code=SHOPS-1" in page


def test_a_customer_who_redeems_many_codes_in_a_minute_alerts() -> None:
    for number in range(3):
        assert raised() == []
        redeem(code=PromoCodeFactory.create(code=f"GIFT-{number}").code, user_id="ada", by=actor())
    assert raised() == [("collector", "ada", 3)]


def test_staff_who_run_vouchers_get_a_mail_while_it_is_open(settings: Any) -> None:
    create_user(SOVEREIGN_ADMIN)
    create_user(AUDITOR)
    refuse(4, user_id="ada")
    [alert] = raise_alerts()
    jobs = ProcrastinateJob.objects.filter(task_name="send_alert_mail")
    assert [job.args["address"] for job in jobs] == ["sovereign-admin@example.org"]
    assert send_alert_mail(alert_id=alert.id, address="noor@example.org")
    [sent] = mail.outbox
    assert sent.subject.endswith("alert: Many refusals of one customer")
    assert reverse("admin:promos_alert_change", args=[alert.pk]) in sent.body
    close_alert(alert_id=alert.id, why="known", by=actor())
    assert not send_alert_mail(alert_id=alert.id, address="noor@example.org")


def test_the_console_marks_open_alerts_and_closes_one_with_a_reason() -> None:
    refuse(4, user_id="ada")
    [alert] = raise_alerts()
    client = client_of(create_user(SUPERADMIN))
    assert _figure(client) == ("1", True)
    page = client.get(reverse("admin:promos_alert_change", args=[alert.pk])).content.decode()
    assert reverse("admin:promos_refusedattempt_changelist") + "?user_id=ada" in page
    client.submit(reverse("admin:promos_alert_close", args=[alert.pk]), {"reason": "I called her"})
    assert _figure(client) == ("0", False)
    auditor = client_of(create_user(AUDITOR))
    assert auditor.get(reverse("admin:promos_alert_close", args=[alert.pk])).status_code == 403


def _figure(client: Client) -> tuple[str, bool]:
    [found] = [each for each in client.get(reverse("admin:index")).context["figures"] if each.title == "Alerts"]
    return str(found.value), found.alarming
