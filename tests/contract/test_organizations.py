"""A customer's organizations, and the check whether a slug is available."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from billing.models import AuditEntry, Customer, Organization
from orders.models import AddOn, App, OutboxEvent, Plan
from orders.use_cases.organizations.provision_organization import provision_organization
from tests.factories import give_credit, ids_of
from tests.snapshot import nothing_changes, only_changes

from .api_client import Answer, Caller, by_token
from .conftest import Checkout
from .json_shapes import assert_refused, assert_shape
from .response_shapes import ORGANIZATION

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "tenant/orgs"


def make(caller: Caller, slug: str = "acme", **more: Any) -> Answer:
    return caller.post(PATH, {"slug": slug, "name": "Acme LLC", **more})


def test_a_new_organization_is_pending(ada: Caller) -> None:
    plan = Plan.objects.get(slug="m")
    with only_changes("billing_customer", "billing_account", "billing_organization"):
        answer = make(ada, plan_id="m", apps=["wordpress"], addons=["backup"])
    assert answer.status == 201
    assert_shape(answer.body, ORGANIZATION)
    assert answer.body.pop("id") == str(Organization.objects.get().id)
    assert answer.body.pop("created_at")
    assert answer.body == {
        "slug": "acme",
        "name": "Acme LLC",
        "plan_id": str(plan.id),
        "apps": ids_of(App, "wordpress"),
        "addons": ids_of(AddOn, "backup"),
        "app_slugs": ["wordpress"],
        "status": "pending",
        "app_states": {},
        "vat_number": "",
    }
    customer = Customer.objects.get()
    assert (customer.user_id, customer.email) == ("ada", "ada@example.org")


def test_a_listed_organization_sent_back_with_another_slug_is_accepted(ada: Caller) -> None:
    make(ada, plan_id="m", apps=["wordpress"], addons=["backup"])
    [row] = ada.get(PATH).body
    again = ada.post(PATH, row | {"slug": "acme-two"})
    assert again.status == 201
    same = ("name", "plan_id", "apps", "addons")
    assert [again.body[name] for name in same] == [row[name] for name in same]


@pytest.mark.parametrize("nothing", [{}, {"plan_id": None, "apps": None, "addons": None}, {"apps": [], "addons": []}])
def test_plan_apps_and_addons_may_come_later(ada: Caller, nothing: Any) -> None:
    answer = make(ada, **nothing)
    assert answer.status == 201
    assert (answer.body["plan_id"], answer.body["apps"], answer.body["addons"]) == (None, [], [])


@pytest.mark.parametrize("slug", ["abc", "a" * 31, "a-1", "abc-", "a--"])
def test_a_slug_is_3_to_31_letters_digits_and_dashes(ada: Caller, slug: str) -> None:
    assert ada.get(f"tenant/check-slug/{slug}").body == {"available": True}
    assert make(ada, slug).status == 201
    assert ada.get(f"tenant/check-slug/{slug}").body == {"available": False}


def test_another_slug_is_refused(ada: Caller) -> None:
    short_or_long = ("", "ab", "a" * 32)
    with nothing_changes():
        for slug in (
            *short_or_long,
            "1ab",
            "-ab",
            "Abc",
            "a_b",
            "a b c",
            "abc ",
            " abc",
            "abc\n",
            "\u00e9tat",
            "a.b",
            "abc\u200f",
        ):
            answer = make(ada, slug)
            assert_refused(answer, 400, "invalid_request", "slug: ")
            assert list(answer.body["fields"]) == ["slug"]


def test_an_invalid_slug_is_unavailable(anybody: Caller) -> None:
    for slug in (
        "ab",
        "Abc",
        "abc%0A",
        "%20abc",
        "a" * 300,
        "%F0%9F%98%80",
        "'%20OR%20''='",
        "admin.php",
        "%C3%28%ff",
    ):
        answer = anybody.get(f"tenant/check-slug/{slug}")
        assert (answer.status, answer.body) == (200, {"available": False})


@pytest.mark.parametrize("slug", ["admin", "www", "api", "mail", "xn--80ak6aa92e"])
def test_a_reserved_slug_is_refused_and_unavailable(ada: Caller, slug: str) -> None:
    with nothing_changes():
        assert_refused(make(ada, slug), 409, "slug_reserved", "slug is reserved")
    assert ada.get(f"tenant/check-slug/{slug}").body == {"available": False}


def test_reserved_slugs_are_a_setting(ada: Caller, settings: Any) -> None:
    settings.RESERVED_SLUGS = frozenset({"acme"})
    assert_refused(make(ada, "acme"), 409, "slug_reserved")
    assert make(ada, "admin").status == 201


# Zero-width space, word joiner, no-break space, ideographic space, Hangul fillers, the blank of Braille, a variation
# selector, right-to-left marks, a combining mark without a letter, a soft hyphen, a line separator.
INVISIBLE = [
    *("\u200b", "\u2060", "\u00a0", "\u3000", "\u3164", "\uffa0", "\u2800", "\ufe0f", "\u200f\u200e", "\u0301"),
    *("\u00ad", "\u2028"),
]


@pytest.mark.parametrize("name", INVISIBLE)
def test_a_name_of_invisible_characters_is_refused(ada: Caller, name: str) -> None:
    with nothing_changes():
        answer = ada.post(PATH, {"slug": "acme", "name": name})
    assert_refused(answer, 400, "invalid_request", "name: ")


@pytest.mark.parametrize("name", ["\u0639\u0645\u0627\u0646", "\u200fA", "5", "\U0001f381", "\u0915\u093f"])
def test_a_name_with_something_to_see_is_accepted_as_it_is(ada: Caller, name: str) -> None:
    assert ada.post(PATH, {"slug": "acme", "name": name}).body["name"] == name


def test_a_taken_slug_is_refused_to_every_customer(ada: Caller, bob: Caller) -> None:
    make(ada)
    with nothing_changes():
        for caller in (ada, bob):
            assert_refused(make(caller), 409, "slug_taken", "slug is already taken")


def test_a_deleted_organizations_slug_is_free_again(ada: Caller, bob: Caller, acme: str, anybody: Caller) -> None:
    ada.delete(f"{PATH}/{acme}")
    assert anybody.get("tenant/check-slug/acme").body == {"available": True}
    assert make(bob).status == 201


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"plan_id": "nope"}, "unknown_plan"),
        ({"apps": ["nope"]}, "unknown_app"),
        ({"addons": ["m"]}, "unknown_addon"),
    ],
)
def test_an_unknown_item_is_refused(ada: Caller, acme: str, body: Any, code: str) -> None:
    with nothing_changes():
        assert_refused(make(ada, "other", **body), 400, code, "unknown ")
        assert_refused(make(ada, "acme", **body), 400, code, "unknown ")


def test_customers_see_their_own_newest_first(ada: Caller, bob: Caller, root: Caller, acme: str) -> None:
    second = make(ada, "second").body
    answer = ada.get(PATH)
    assert answer.status == 200
    assert_shape(answer.body, [ORGANIZATION])
    assert [each["id"] for each in answer.body] == [second["id"], acme]
    assert ada.get(f"{PATH}/{second['id']}").body == second
    assert ada.get(f"{PATH}/{acme}").body == answer.body[1]
    for other in (bob, root):
        assert other.get(PATH).content == b"[]"
        assert_refused(other.get(f"{PATH}/{acme}"), 404, "tenant_not_found")


def test_an_id_may_be_written_in_capitals(checkout: Checkout, ada: Caller, acme: str) -> None:
    for path in (PATH, "billing/subscription", "billing/invoices"):
        checkout(plan_id="flexi", tenant_id=acme.upper())
        assert ada.get(f"{path}/{acme.upper()}").content == ada.get(f"{path}/{acme}").content
        assert ada.get(f"{path}/{acme.upper()}").status == 200
    assert ada.delete(f"{PATH}/{acme.upper()}").status == 200


def test_an_organization_gets_the_plan_and_items_of_its_order(checkout: Checkout, ada: Caller, acme: str) -> None:
    order_id = checkout(plan_id="flexi", apps=["wordpress"], addons=["waf"]).body["order_id"]
    body = ada.get(f"{PATH}/{acme}").body
    assert body["plan_id"] == str(Plan.objects.get(slug="flexi").id)
    assert (body["apps"], body["app_slugs"]) == (ids_of(App, "wordpress"), ["wordpress"])
    assert (body["addons"], body["status"]) == (ids_of(AddOn, "waf"), "provisioning")
    provision_organization(order_id=order_id)
    assert ada.get(f"{PATH}/{acme}").body["status"] == "active"


def test_its_owner_deletes_it_once(checkout: Checkout, ada: Caller, acme: str) -> None:
    checkout(plan_id="flexi")
    answer = ada.delete(f"{PATH}/{acme}")
    assert (answer.status, answer.body) == (200, {"ok": True})
    assert ada.get(PATH).body == []
    assert OutboxEvent.objects.filter(type="tenant.deleted").count() == 1
    with nothing_changes():
        again = ada.delete(f"{PATH}/{acme}")
    assert (again.status, again.body) == (200, {"ok": True})


def test_only_a_superadmin_deletes_organizations_of_others(
    bob: Caller, root: Caller, noor: Caller, salim: Caller, acme: str
) -> None:
    with nothing_changes():
        for caller in (bob, noor, salim):
            assert_refused(caller.delete(f"{PATH}/{acme}"), 404, "tenant_not_found")
            assert_refused(caller.delete(f"{PATH}/{uuid4()}"), 404, "tenant_not_found")
    assert root.delete(f"{PATH}/{acme}").status == 200


def test_its_owner_and_admins_rename_it(ada: Caller, acme: str) -> None:
    ada.post(f"{PATH}/{acme}/members", {"email": "eve@example.org", "role": "admin"})
    before = ada.get(f"{PATH}/{acme}").body
    for user_id, name in (("ada", "Acme & Sons"), ("eve", "Acme & Daughters")):
        answer = by_token("customer", user_id).call("PUT", f"{PATH}/{acme}", {"name": name})
        assert (answer.status, answer.body) == (200, {**before, "name": name})
        assert_shape(answer.body, ORGANIZATION)
        assert ada.get(f"{PATH}/{acme}").body["name"] == name
    entry = AuditEntry.objects.filter(action="organization.renamed").order_by("created_at").last()
    assert entry is not None
    assert (entry.actor_id, entry.object_id) == ("eve", acme)
    assert entry.changes == {"name": ["Acme & Sons", "Acme & Daughters"]}


def test_its_vat_number_is_given_changed_and_taken_away(ada: Caller) -> None:
    made = make(ada, vat_number="om 1100-000.000").body
    assert made["vat_number"] == "OM1100000000"
    for sent, kept in (
        ({"name": "Acme"}, "OM1100000000"),
        ({"vat_number": "gb123"}, "GB123"),
        ({"vat_number": ""}, ""),
    ):
        answer = ada.call("PUT", f"{PATH}/{made['id']}", sent)
        assert (answer.status, answer.body["vat_number"]) == (200, kept)
        assert ada.get(PATH).body == [answer.body]
    changes = AuditEntry.objects.filter(action="organization.vat_number_changed").order_by("created_at")
    assert [each.changes for each in changes] == [
        {"vat_number": ["OM1100000000", "GB123"]},
        {"vat_number": ["GB123", ""]},
    ]


@pytest.mark.parametrize("number", [None, 5, "OM1", "OM--11", "OM1100!", "\u0661\u0662\u0663\u0664", "1" * 31])
def test_a_bad_vat_number_is_refused(ada: Caller, acme: str, number: Any) -> None:
    with nothing_changes():
        refused = ada.call("PUT", f"{PATH}/{acme}", {"name": "Other", "vat_number": number})
        assert_refused(refused, 400, "invalid_request", "vat_number: ")


def test_an_absent_name_stays(ada: Caller, acme: str) -> None:
    row = ada.get(f"{PATH}/{acme}").body
    with nothing_changes():
        for body in ({}, {"slug": "other"}, {"status": "active", "plan_id": "m"}, row):
            answer = ada.call("PUT", f"{PATH}/{acme}", body)
            assert (answer.status, answer.body) == (200, row)


@pytest.mark.parametrize("name", [*INVISIBLE, None, "", " ", "x" * 201, 5])
def test_a_bad_name_is_refused_and_stays(ada: Caller, acme: str, name: Any) -> None:
    with nothing_changes():
        assert_refused(ada.call("PUT", f"{PATH}/{acme}", {"name": name}), 400, "invalid_request", "name: ")


def test_a_deleted_organization_is_not_renamed(ada: Caller, acme: str) -> None:
    ada.delete(f"{PATH}/{acme}")
    assert_refused(ada.call("PUT", f"{PATH}/{acme}", {"name": "Again"}), 404, "tenant_not_found")


def test_the_number_of_organizations_of_a_customer_is_limited(ada: Caller, bob: Caller, settings: Any) -> None:
    settings.MAX_ORGANIZATIONS = 2
    first = make(ada, "first").body["id"]
    assert make(ada, "second").status == 201
    with nothing_changes():
        assert_refused(make(ada, "third"), 409, "too_many_organizations", "you have as many organizations")
    assert make(bob, "third").status == 201
    # Making and deleting one again and again is limited by the day.
    ada.delete(f"{PATH}/{first}")
    assert_refused(make(ada, "fourth"), 409, "too_many_organizations")
    Organization.objects.filter(id=first).update(created_at=timezone.now() - timedelta(days=1))
    assert make(ada, "fourth").status == 201


def test_free_orders_of_a_day_are_limited(checkout: Checkout, ada: Caller, settings: Any, acme: str) -> None:
    settings.FREE_ORDERS_PER_DAY = 2
    assert checkout(plan_id="flexi").status == 200
    assert checkout(plan_id="flexi", addons=["waf"]).status == 200
    with nothing_changes():
        answer = checkout(plan_id="flexi")
        assert_refused(answer, 429, "too_many_orders")
        assert int(answer.headers["Retry-After"]) > 0
    give_credit(Customer.objects.get(user_id="ada"), 50_000)
    assert checkout(plan_id="m").status == 200


def test_only_the_owner_pays(checkout: Checkout, ada: Caller, bob: Caller, acme: str) -> None:
    give_credit(Customer.objects.get(user_id="ada"), 50_000)
    ada.post(f"{PATH}/{acme}/members", {"email": "bob@example.org", "role": "admin"})
    bob.get(PATH)
    with nothing_changes():
        for body in ({"plan_id": "m"}, {"plan_id": "nope"}, {"plan_id": 5}):
            answer = bob.post("billing/checkout", {"tenant_id": acme, **body})
            assert_refused(answer, 403, "organization_role_too_low")


def test_texts_are_returned_unchanged(ada: Caller) -> None:
    said = "<script>alert(1)</script> \U0001f3e2 \u0634\u0631\u0643\u0629 \u200f'; DROP TABLE x; -- \\ \" {{7*7}}"
    made = make(ada, name=said).body
    assert made["name"] == said
    assert ada.get(f"{PATH}/{made['id']}").body["name"] == said
