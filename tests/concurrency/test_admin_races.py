"""Staff confirm twice or at the same moment: the action happens once, and only to the state that they saw."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from threading import Barrier
from typing import Any

import pytest
from django.urls import reverse

from billing.actor import SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import Account, Customer, LedgerEntry
from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.models import PromoCode
from promos.use_cases.change_code import retire_code
from promos.use_cases.issue_code import issue_code
from tests.concurrency.threads import THREAD_TIMEOUT_SECONDS, ThreadGroup
from tests.console import Browser, client_of, create_user, shown_messages
from tests.factories import CustomerFactory, PromoCodeFactory, actor, give_credit

pytestmark = pytest.mark.django_db(transaction=True)

CLICKS = 6
ROUNDS = 8


def adjusting(customer: Customer) -> str:
    return reverse("admin:billing_customer_adjust", args=[customer.pk])


def adjust(client: Browser, customer: Customer, token: str) -> bool:
    """Confirm an adjustment of 5.000 OMR on an earlier page; return whether this click made it."""
    sent = {"amount": "5", "reason": "a test", "form_token": token, "confirmed": "yes"}
    answer = client.post(adjusting(customer), sent)
    return answer.status_code == HTTPStatus.FOUND and "done already" not in shown_messages(answer)[-1]


def clients(role: str, number: int) -> list[Browser]:
    user = create_user(role)
    return [client_of(user) for _ in range(number)]


def test_an_adjustment_confirmed_many_times_happens_once() -> None:
    customer = CustomerFactory.create()
    give_credit(customer, 50_000)
    browsers = clients(SUPERADMIN, CLICKS)
    with ThreadGroup(CLICKS) as threads:
        for _ in range(ROUNDS):
            # Half of the clicks are of one page, and half of a page that another window showed.
            tokens = [browsers[0].token_of(adjusting(customer)) for _ in range(2)] * CLICKS
            calls = [partial(adjust, *each) for each in zip(browsers, [customer] * CLICKS, tokens, strict=False)]
            assert Counter(threads.race(calls).values) == {True: 1, False: CLICKS - 1}
    assert Account.objects.get().balance_minor == 50_000 + ROUNDS * 5_000
    assert verify_ledger().sound


def test_control_without_the_lock_two_windows_adjust_both(monkeypatch: pytest.MonkeyPatch) -> None:
    customer = CustomerFactory.create()
    give_credit(customer, 50_000)
    both_have_read = Barrier(2, timeout=THREAD_TIMEOUT_SECONDS)
    browsers = clients(SUPERADMIN, 2)
    tokens = [browser.token_of(adjusting(customer)) for browser in browsers]

    def read_without_lock(*, customer_id: int) -> Account:
        account = Account.objects.get(pk=customer_id)
        both_have_read.wait()
        return account

    monkeypatch.setattr("billing.admin.customers.lock_account", read_without_lock)
    with ThreadGroup(2) as threads:
        threads.race(
            [partial(adjust, browser, customer, token) for browser, token in zip(browsers, tokens, strict=True)]
        )
    assert LedgerEntry.objects.filter(amount_minor=5_000).count() == 2


def changing(code: PromoCode) -> str:
    return reverse("admin:promos_promocode_change", args=[code.pk])


def edit(client: Browser, code: PromoCode, token: str) -> int:
    """Send the form of the voucher as it was before it was retired."""
    sent = {"credit": "7", "max_redemptions": "0", "active": "on", "reason": "a test", "form_token": token}
    return client.post(changing(code), sent).status_code


def test_a_voucher_that_is_retired_while_it_is_changed_stays_retired() -> None:
    (browser,) = clients(SOVEREIGN_ADMIN, 1)
    with ThreadGroup(2) as threads:
        for _ in range(ROUNDS):
            code = PromoCodeFactory.create()
            calls: list[Callable[[], Any]] = [
                partial(edit, browser, code, browser.token_of(changing(code))),
                partial(retire_code, code=code.code, by=actor()),
            ]
            assert threads.race(calls).refusals == {}
            code.refresh_from_db()
            assert code.retired_at is not None


def test_control_without_the_lock_a_change_brings_a_retired_voucher_back(monkeypatch: pytest.MonkeyPatch) -> None:
    code = PromoCodeFactory.create()
    browser = clients(SOVEREIGN_ADMIN, 1)[0]
    token = browser.token_of(changing(code))

    def write_later(**given: Any) -> PromoCode:
        # Another admin retires the code between the read and the change.
        with ThreadGroup(1) as threads:
            threads.race([partial(retire_code, code=code.code, by=actor())])
        return issue_code(**given)

    monkeypatch.setattr("promos.admin.code_states.lock_code_exclusively", lambda **_: None)
    monkeypatch.setattr("promos.use_cases.approvals.propose_issue.issue_code", write_later)
    assert edit(browser, code, token) == HTTPStatus.FOUND
    code.refresh_from_db()
    assert code.retired_at is None
