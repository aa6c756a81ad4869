"""The rule whether a code is redeemable is the same in Python, in SQL and in the console, at every instant."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from django.db import connection

from promos.admin.states import State, count_live_and_unretired, in_state, state_of, with_state
from promos.errors import (
    PromoAlreadyRedeemed,
    PromoExhausted,
    PromoExpired,
    PromoInactive,
    PromoNotFound,
    PromoNotStarted,
    PromoProblem,
)
from promos.models import Campaign, PromoCode
from promos.queries import find_code
from promos.use_cases.campaigns.draft_campaign import count_budget
from promos.use_cases.check_eligibility import problem_of
from promos.use_cases.redeem_code import RedemptionRequest, redeem, redeem_batch
from tests.consistency import ledger_and_redemptions_agree
from tests.factories import CustomerFactory, PromoCodeFactory, acting

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
# The last instant before now, now, and the first one after it: every boundary, from both sides.
INSTANTS = (NOW - MOMENT, NOW, NOW + MOMENT)
WINDOWS = [
    (start, end) for start, end in product((None, *INSTANTS), repeat=2) if start is None or end is None or start < end
]
FREE, FULL, UNCAPPED = "free", "full", "uncapped"
STATE_OF_PROBLEM: dict[type[PromoProblem] | None, State] = {
    None: State.LIVE,
    PromoNotFound: State.RETIRED,
    PromoInactive: State.PAUSED,
    PromoNotStarted: State.NOT_STARTED,
    PromoExpired: State.EXPIRED,
    PromoExhausted: State.EXHAUSTED,
}


def campaign_with(status: str, window: tuple[datetime | None, datetime | None], budget: str, number: int) -> UUID:
    """A campaign in this state, with room for one redemption, for less than one, or without a budget."""
    campaign = Campaign.objects.create(
        name=f"Campaign {number}",
        # A code is issued before its campaign ends.
        status=Campaign.Status.DRAFT if status == Campaign.Status.ENDED else status,
        drafted_by="ada",
        approved_by="" if status in (Campaign.Status.DRAFT, Campaign.Status.ENDED) else "bob",
        starts_at=window[0],
        ends_at=window[1],
        budget_minor={FREE: 10_000, FULL: 9_999, UNCAPPED: 0}[budget],
        hot=number % 2 == 1,
    )
    count_budget(campaign)
    return campaign.pk


@pytest.fixture
def codes() -> list[str]:
    """A code in each combination of active, retired, window and free slots, and of its campaign's state."""
    every = product((True, False), (None, NOW), WINDOWS, (FREE, FULL, UNCAPPED))
    of_code = [(None, *terms) for terms in every]
    of_campaign = [
        (terms, True, None, (None, None), UNCAPPED)
        for terms in product(Campaign.Status, WINDOWS, (FREE, FULL, UNCAPPED))
    ]
    made = []
    for number, (terms, active, retired_at, (starts_at, expires_at), slots) in enumerate((*of_code, *of_campaign)):
        code = PromoCodeFactory.create(
            code=f"CODE-{number}",
            max_redemptions={FREE: 1, FULL: 1, UNCAPPED: 0}[slots],
            hot=number % 2 == 1,
            campaign_id=campaign_with(*terms, number) if terms else None,
        )
        if terms and terms[0] == Campaign.Status.ENDED:
            Campaign.objects.filter(codes=code).update(status=Campaign.Status.ENDED)
        if slots == FULL:
            other = CustomerFactory.create()
            redeem(code=code.code, user_id=other.user_id, by=acting(other), now=NOW)
        PromoCode.objects.filter(id=code.id).update(
            active=active, retired_at=retired_at, starts_at=starts_at, expires_at=expires_at
        )
        made.append(code.code)
    return made


def problems(codes: list[str]) -> dict[str, type[PromoProblem] | None]:
    """Returns the problem that Python finds with each, for a customer who has not redeemed it."""
    found = {}
    for text in codes:
        code = find_code(text)
        has_free_slot = getattr(code, "has_free_slot", False)
        problem = problem_of(code, now=NOW, has_free_slot=has_free_slot, redeemed=False)
        # A code that was read before it was retired is judged like one that is not found.
        stored = PromoCode.objects.get(code=text)
        assert code == (stored if stored.retired_at is None else None)
        assert type(problem_of(stored, now=NOW, has_free_slot=has_free_slot, redeemed=False)) is type(problem)
        found[text] = type(problem) if problem else None
    return found


def redeemable_by_sql() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code FROM promos_promocode p JOIN promos_campaign g ON g.id = p.campaign_id"
            " WHERE promos_is_redeemable(p, g, %s)",
            [NOW],
        )
        return {code for (code,) in cursor.fetchall()}


def test_python_sql_and_console_agree_on_every_state_at_every_boundary(codes: list[str]) -> None:
    found = problems(codes)
    assert set(found.values()) == set(STATE_OF_PROBLEM)

    # The slots are counted, and claimed, apart from the code itself.
    assert redeemable_by_sql() == {code for code, problem in found.items() if problem in (None, PromoExhausted)}

    states = {code.code: state_of(code) for code in with_state(PromoCode.objects.all(), now=NOW)}
    assert states == {code: STATE_OF_PROBLEM[problem] for code, problem in found.items()}
    filtered = {code.code: state for state in State for code in in_state(PromoCode.objects.all(), state, now=NOW)}
    assert filtered == states

    live = list(found.values()).count(None)
    unretired = len(found) - list(found.values()).count(PromoNotFound)
    assert count_live_and_unretired(now=NOW) == (live, unretired)


def test_batch_redeems_exactly_the_codes_against_which_nothing_stands(codes: list[str]) -> None:
    found = problems(codes)
    customers = CustomerFactory.create_batch(len(codes))
    redeemed = redeem_batch(
        [
            RedemptionRequest(code=code, user_id=customer.user_id, by=acting(customer), now=NOW)
            for code, customer in zip(codes, customers, strict=True)
        ]
    )
    written = {code for code, redemption in zip(codes, redeemed, strict=True) if redemption}
    assert written == {code for code, problem in found.items() if problem is None}
    assert ledger_and_redemptions_agree()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, PromoAlreadyRedeemed),
        ({"active": False, "starts_at": NOW + MOMENT}, PromoAlreadyRedeemed),
        ({"retired_at": NOW}, PromoNotFound),
    ],
)
def test_live_redemption_stands_before_all_but_retirement(
    changes: dict[str, object], problem: type[PromoProblem]
) -> None:
    PromoCodeFactory.create(code="MINE", max_redemptions=1)
    PromoCode.objects.update(**changes)
    found = problem_of(find_code("MINE"), now=NOW, has_free_slot=False, redeemed=True)
    assert type(found) is problem


def test_code_that_is_not_there_is_not_found() -> None:
    assert type(problem_of(None, now=NOW, has_free_slot=True, redeemed=False)) is PromoNotFound
