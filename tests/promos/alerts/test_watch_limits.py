"""Staff are alerted when 80% and 100% of a budget or cap is used, once, and again after it was raised."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.actor import SOVEREIGN_ADMIN
from promos.models import Alert
from promos.use_cases.alerts.close_alert import close_alert
from promos.use_cases.alerts.watch_limits import watch_limits
from promos.use_cases.campaigns.change_terms import change_budget
from promos.use_cases.issue_code import issue_code
from promos.use_cases.redeem_code import redeem
from tests.console import client_of, create_user
from tests.factories import CampaignFactory, PromoCodeFactory, actor

pytestmark = pytest.mark.django_db

NOOR = actor(SOVEREIGN_ADMIN, user_id="noor")


def use(code: str, *numbers: int) -> None:
    for number in numbers:
        redeem(code=code, user_id=f"customer-{number}", by=actor())


def raised(*, everything: bool = False) -> list[tuple[str, str, int, int]]:
    return [(each.kind, each.subject, each.number, each.allowed) for each in watch_limits(everything=everything)]


def test_a_budget_alerts_once_at_each_threshold_and_again_after_it_was_raised() -> None:
    campaign = CampaignFactory.create(name="Spring", budget_minor=50_000)
    PromoCodeFactory.create(code="SPRING", credit_minor=10_000, campaign_id=campaign.pk)
    use("SPRING", 1, 2, 3)
    assert raised() == []
    use("SPRING", 4)
    assert raised() == [("budget_80", "Spring", 40_000, 50_000)]
    close_alert(alert_id=Alert.objects.get().pk, why="seen", by=NOOR)
    assert raised() == []
    use("SPRING", 5)
    assert raised() == [("budget_100", "Spring", 50_000, 50_000)]
    assert raised() == []
    change_budget(campaign_id=campaign.pk, budget_minor=60_000, by=NOOR, reason="more")
    # 50 of 60 is above 80% again.
    assert raised() == [("budget_80", "Spring", 50_000, 60_000)]
    use("SPRING", 6)
    # The alert of the former budget is still open, and shows the new one.
    assert raised() == [("budget_100", "Spring", 60_000, 60_000)]
    assert Alert.objects.filter(kind="budget_100").count() == 1


def test_a_cap_alerts_once_at_each_threshold_and_again_after_it_was_raised() -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=5)
    PromoCodeFactory.create(code="FREE")
    use("FREE", *range(5))
    use("GIFT", 1, 2, 3, 4)
    assert raised() == [("cap_80", "GIFT", 4, 5)]
    use("GIFT", 5)
    assert raised() == [("cap_100", "GIFT", 5, 5)]
    assert raised() == raised(everything=True) == []
    issue_code(code="GIFT", terms={"max_redemptions": 6}, by=NOOR)
    assert raised() == [("cap_80", "GIFT", 5, 6)]


def test_a_run_each_minute_sees_the_codes_of_the_last_minutes_and_a_nightly_one_all() -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=1)
    use("GIFT", 1)
    later = timezone.now() + timedelta(minutes=5)
    assert watch_limits(now=later) == []
    assert [alert.kind for alert in watch_limits(now=later, everything=True)] == ["cap_100"]


def test_staff_get_a_mail_and_find_the_campaign_from_the_page() -> None:
    client = client_of(create_user(SOVEREIGN_ADMIN))
    campaign = CampaignFactory.create(name="Spring", budget_minor=10_000)
    PromoCodeFactory.create(code="SPRING", credit_minor=10_000, campaign_id=campaign.pk)
    use("SPRING", 1)
    [alert] = watch_limits()
    assert ProcrastinateJob.objects.filter(task_name="send_alert_mail").count() == 1
    page = client.get(reverse("admin:promos_alert_change", args=[alert.pk])).content.decode()
    assert "10.000" in page
    assert f"{reverse('admin:promos_campaign_changelist')}?q=Spring" in page
