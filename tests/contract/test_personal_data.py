"""A customer's own data: sessions, the choice of mails, and the export of everything."""

from typing import Any

import pytest
from django.core import mail

from billing.models import AuditEntry, Customer, Organization, SignInCode, User
from billing.use_cases.identity.sessions import open_session
from billing.use_cases.identity.sign_in.sign_in_codes import derive_code
from orders.use_cases.documents.issue_documents import issue_documents
from tests.factories import CustomerFactory, OrganizationFactory, PromoCodeFactory, UserFactory, give_credit

from .api_client import Caller, by_token
from .conftest import Checkout
from .json_shapes import assert_refused

pytestmark = pytest.mark.django_db(transaction=True)
MAILS = {"credit_expires": True, "renewal_ahead": True, "credit_runs_out": True}


def user_of(caller: Caller) -> User:
    user: User = UserFactory.create(sub=caller.user_id, email=f"{caller.user_id}@example.org")
    return user


def test_sessions_are_listed_and_one_ends(ada: Caller) -> None:
    assert ada.get("auth/sessions").body == []
    user = user_of(ada)
    open_session(user=user, method="code")
    [session] = ada.get("auth/sessions").body
    assert (session["method"], session["program"], session["address"]) == ("code", "", "")
    path = f"auth/sessions/{session['id']}"
    eve = by_token("customer", "eve")
    user_of(eve)
    assert_refused(eve.delete(path), 404, "session_not_found")
    answer = ada.delete(path)
    assert (answer.status, answer.body) == (200, {"ok": True})
    assert_refused(ada.delete(path), 404, "session_not_found")
    assert ada.get("auth/sessions").body == []


def test_an_absent_mail_stays_as_it_is(ada: Caller) -> None:
    assert ada.get("billing/mails").body == MAILS
    assert ada.call("PUT", "billing/mails", {"renewal_ahead": False}).body == {**MAILS, "renewal_ahead": False}
    changed = {"credit_expires": False, "renewal_ahead": False, "credit_runs_out": True}
    assert ada.call("PUT", "billing/mails", {"credit_expires": False}).body == changed
    assert ada.get("billing/mails").body == changed
    assert Customer.objects.get().declined_mails == ["credit_expires", "renewal_ahead"]


def test_the_export_holds_everything_of_the_customer_and_nothing_of_others(
    checkout: Checkout, ada: Caller, acme: str
) -> None:
    PromoCodeFactory.create(code="FIFTY", credit_minor=50_000)
    order = checkout(promo_code="FIFTY").body
    issue_documents()
    answer = ada.get("billing/personal-data")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-data.json"'
    data: dict[str, Any] = answer.body
    customer = Customer.objects.get()
    assert (data["profile"]["id"], data["profile"]["email"]) == (customer.user_id, customer.email)
    assert data["mails"] == MAILS
    assert [each["id"] for each in data["organizations"]] == [acme]
    assert [each["id"] for each in data["orders"]] == [order["order_id"]]
    assert [each["code"] for each in data["redemptions"]] == ["FIFTY"]
    entries = ada.get("billing/balance").body["entries"]
    assert {each["id"] for each in data["entries"]} == {each["id"] for each in entries}
    assert sum(each["amount_minor"] for each in data["entries"]) == ada.get("billing/balance").body["credit_minor"]
    assert [each["number"] for each in data["documents"]] == [
        each["number"] for each in ada.get("billing/documents").body
    ]
    other = by_token("customer", "eve").get("billing/personal-data").body
    assert other.pop("profile")["id"] == "eve"
    assert other.pop("mails") == MAILS
    assert not any(other.values())
    assert AuditEntry.objects.filter(action="customer.data_exported").count() == 2
    assert Organization.objects.count() == 1 and not mail.outbox


def test_an_account_is_deleted_with_a_fresh_code(ada: Caller, anybody: Caller) -> None:
    path = "billing/personal-data/erase"
    assert_refused(ada.post(path, {"code": "000000"}), 409, "no_sign_in_here")
    user = user_of(ada)
    assert_refused(ada.post(path, {"code": "000000"}), 404, "customer_not_found")
    customer = CustomerFactory.create(user_id=ada.user_id, email=user.email)
    organization = OrganizationFactory.create(customer=customer)
    Organization.objects.update(status="active")
    give_credit(customer, 5_000)
    assert_refused(ada.post(path, {"code": "000000"}), 409, "owns_organization")
    assert ada.delete(f"tenant/orgs/{organization.pk}").status == 200
    assert_refused(ada.post(path, {"code": "000000"}), 409, "credit_would_be_lost")
    assert_refused(ada.post(path, {"code": "000000", "lose_credit": True}), 401, "wrong_code")
    assert anybody.post("auth/magic-link", {"email": user.email}).status == 200
    stored = SignInCode.objects.get()
    sent = {"code": derive_code(stored.key, stored.email), "lose_credit": True}
    answer = ada.post(path, sent)
    assert (answer.status, answer.body) == (200, {"ok": True})
    assert_refused(ada.get("auth/me"), 404, "user_not_found")
    assert_refused(ada.post("tenant/orgs", {"slug": "again", "name": "Again"}), 409, "customer_erased")
    gift = {"code": PromoCodeFactory.create().code}
    assert_refused(ada.post("billing/vouchers/redeem", gift), 409, "customer_erased")
