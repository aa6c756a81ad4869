"""A superadmin adds, changes and removes catalog items over the API."""

import json
from typing import Any
from uuid import uuid4

import pytest

from billing.models import AuditEntry, Customer
from orders.models import AddOn, App, Bundle, Industry, Order, Plan
from tests.factories import BundleFactory, PlanFactory, give_credit
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller
from .api_process import api_process
from .catalog_endpoints import BODIES
from .conftest import ITEM_IDS, ITEM_SLUGS, Checkout
from .json_shapes import assert_refused, assert_shape
from .response_shapes import ADDON, APP, BUNDLE, INDUSTRY, PLAN

pytestmark = pytest.mark.django_db(transaction=True)

KINDS = tuple(BODIES)
MODELS: dict[str, Any] = {"plans": Plan, "apps": App, "addons": AddOn, "industries": Industry, "bundles": Bundle}
SHAPES = {"plans": PLAN, "apps": APP, "addons": ADDON, "industries": INDUSTRY, "bundles": BUNDLE}


def audited() -> list[tuple[str, Any]]:
    """Return the actions and changes of all audit entries about the catalog."""
    kinds = ["plan", "app", "addon", "industry", "bundle"]
    rows = AuditEntry.objects.filter(object_type__in=kinds).order_by("created_at", "id")
    return list(rows.values_list("action", "changes"))


def listed(caller: Caller, kind: str) -> dict[str, Any]:
    answer = caller.get(f"catalog/{kind}")
    assert answer.status == 200
    return {each["slug"]: each for each in json.loads(answer.content)}


def put(caller: Caller, kind: str, item_id: Any, body: Any) -> Answer:
    return caller.call("PUT", f"catalog/admin/{kind}/{item_id}", body)


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_is_added_with_all_its_fields(root: Caller, kind: str) -> None:
    body = {**BODIES[kind], "slug": "new"}
    answer = root.post(f"catalog/admin/{kind}", body)
    assert answer.status == 201
    assert_shape(answer.body, SHAPES[kind])
    assert listed(root, kind) == {"new": answer.body}
    stored = MODELS[kind].objects.get(id=answer.body["id"])
    for name, value in body.items():
        if name == "price_omr":
            assert (answer.body[name], stored.price_minor) == (value, 12_500)
        elif name == "color":
            assert answer.body["icon_bg"] == value
        elif name not in ("icon_bg", "discount"):
            assert getattr(stored, name) == value
            assert answer.body.get(name, value) == value
    [(action, changes)] = audited()
    assert action == f"{stored._meta.model_name}.created"
    assert changes["name"] == [None, "New"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_and_a_slug_are_enough(root: Caller, kind: str) -> None:
    answer = root.post(f"catalog/admin/{kind}", {"slug": "new", "name": "New"})
    assert answer.status == 201
    assert_shape(answer.body, SHAPES[kind])
    assert answer.body.get("price_omr", 0) == 0
    assert answer.body.get("deployable", True) is True


@pytest.mark.parametrize("kind", KINDS)
def test_a_listed_row_can_be_sent_back_whole(shop: None, root: Caller, kind: str) -> None:
    for row in listed(root, kind).values():
        with nothing_changes():
            answer = put(root, kind, row["id"], row)
        assert (answer.status, answer.body) == (200, row)


def test_a_row_that_was_read_in_arabic_changes_no_english_text(root: Caller) -> None:
    item = PlanFactory.create(slug="m", name="Medium", name_ar="متوسطة", features=["fast"], features_ar=["سريعة"])
    [row] = root.get("catalog/plans", Accept_Language="ar").body
    assert (row["name"], row["features"]) == ("متوسطة", ["سريعة"])
    with nothing_changes():
        answer = root.call("PUT", f"catalog/admin/plans/{item.pk}", row, Accept_Language="ar")
    assert (answer.status, answer.body) == (200, row)
    root.call("PUT", f"catalog/admin/plans/{item.pk}", {**row, "name_ar": "وسطى"}, Accept_Language="ar")
    item.refresh_from_db()
    assert (item.name, item.name_ar) == ("Medium", "وسطى")


@pytest.mark.parametrize("kind", KINDS)
def test_an_absent_field_keeps_its_value(shop: None, root: Caller, kind: str) -> None:
    before = listed(root, kind)[ITEM_SLUGS[kind]]
    answer = put(root, kind, ITEM_IDS[kind], {"name": "Renamed"})
    assert (answer.status, answer.body) == (200, before | {"name": "Renamed"})
    assert listed(root, kind)[ITEM_SLUGS[kind]] == answer.body
    [(action, changes)] = audited()
    assert action.endswith(".changed")
    assert changes == {"name": [before["name"], "Renamed"]}


@pytest.mark.parametrize(
    ("kind", "field", "column"),
    [
        ("plans", "price_omr", "price_minor"),
        ("plans", "price_minor", "price_minor"),
        ("plans", "price_baisa", "price_minor"),
        ("plans", "sort_order", "sort_order"),
        ("addons", "price_omr", "price_minor"),
        ("apps", "ram_mb", "ram_mb"),
        ("industries", "display_order", "display_order"),
        ("bundles", "discount", "discount_percent"),
    ],
)
def test_a_null_number_is_zero(shop: None, root: Caller, kind: str, field: str, column: str) -> None:
    assert put(root, kind, ITEM_IDS[kind], {field: None}).status == 200
    assert getattr(MODELS[kind].objects.get(id=ITEM_IDS[kind]), column) == 0


def test_a_null_text_or_list_is_empty(shop: None, root: Caller) -> None:
    answer = put(root, "plans", ITEM_IDS["plans"], {"description": None, "features": None})
    assert (answer.status, answer.body["description"], answer.body["features"]) == (200, "", [])


def test_a_color_is_stored_as_the_icons_background(shop: None, root: Caller) -> None:
    assert root.post("catalog/admin/apps", {"slug": "a", "name": "A", "color": "#abc"}).body["icon_bg"] == "#abc"
    row = listed(root, "apps")["a"]
    assert put(root, "apps", row["id"], {**row, "color": "#def"}).body["icon_bg"] == "#def"
    assert put(root, "apps", row["id"], {"icon_bg": "#123"}).body["icon_bg"] == "#123"


@pytest.mark.parametrize(
    "price",
    [{"price_omr": 9.5}, {"price_minor": 9_500}, {"price_baisa": 9_500}, {"price_omr": 9.5, "price_minor": 9_500}],
)
def test_a_price_is_accepted_in_every_form(shop: None, root: Caller, price: dict[str, Any]) -> None:
    answer = put(root, "plans", ITEM_IDS["plans"], price)
    assert (answer.status, answer.body["price_minor"], float(answer.body["price_omr"])) == (200, 9_500, 9.5)


def test_prices_that_differ_are_refused(shop: None, root: Caller) -> None:
    with nothing_changes():
        answer = put(root, "plans", ITEM_IDS["plans"], {"price_omr": 9.5, "price_minor": 9_000})
    assert_refused(answer, 400, "invalid_request")
    assert set(answer.body["fields"]) == {"price_omr", "price_minor"}


@pytest.mark.parametrize(
    ("price", "nearest"),
    [
        ({"price_omr": 9.995}, "9.990 OMR and 10.000 OMR"),
        ({"price_minor": 9_001}, "9.000 OMR and 9.010 OMR"),
        ({"price_omr": 0.15}, "0.000 OMR and 0.200 OMR"),
        ({"price_omr": 0.001, "price_baisa": 1}, "0.000 OMR and 0.200 OMR"),
    ],
)
@pytest.mark.parametrize("kind", ["plans", "addons"])
def test_a_price_that_stripe_cannot_charge_is_refused_with_the_nearest(
    shop: None, root: Caller, kind: str, price: dict[str, Any], nearest: str
) -> None:
    with nothing_changes():
        for answer in (
            root.post(f"catalog/admin/{kind}", {"slug": "new", "name": "New", **price}),
            put(root, kind, ITEM_IDS[kind], price),
        ):
            assert_refused(answer, 400, "price_not_chargeable")
            assert nearest in answer.body["error"]
            assert answer.body["fields"] == {form: [answer.body["error"]] for form in price}


def test_the_smallest_charge_and_zero_can_be_charged(shop: None, root: Caller) -> None:
    for minor in (0, 200):
        assert put(root, "plans", ITEM_IDS["plans"], {"price_minor": minor}).status == 200


def test_a_row_whose_price_can_no_longer_be_charged_can_be_renamed(shop: None, root: Caller) -> None:
    Plan.objects.filter(id=ITEM_IDS["plans"]).update(price_minor=9_995)
    row = listed(root, "plans")["l"]
    assert put(root, "plans", row["id"], {**row, "name": "Renamed"}).status == 200


def test_an_included_add_on_costs_nothing(shop: None, root: Caller) -> None:
    with nothing_changes():
        answer = put(root, "addons", ITEM_IDS["addons"], {"included": True})
    assert_refused(answer, 400, "invalid_request", "price: an included add-on costs nothing")
    assert list(answer.body["fields"]) == ["price_omr"]
    assert put(root, "addons", ITEM_IDS["addons"], {"included": True, "price_omr": 0}).status == 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_slug_is_taken_once(shop: None, root: Caller, kind: str) -> None:
    added = root.post(f"catalog/admin/{kind}", {"slug": "new", "name": "New"})
    with nothing_changes():
        again = root.post(f"catalog/admin/{kind}", {"slug": ITEM_SLUGS[kind], "name": "New"})
        assert_refused(again, 409, "slug_taken")
        assert_refused(put(root, kind, added.body["id"], {"slug": ITEM_SLUGS[kind]}), 409, "slug_taken")
    assert put(root, kind, added.body["id"], {"slug": "newer"}).body["slug"] == "newer"


def test_a_slug_that_others_refer_to_does_not_change(shop: None, root: Caller) -> None:
    with nothing_changes():
        for kind in ("apps", "bundles"):
            assert_refused(put(root, kind, ITEM_IDS[kind], {"slug": "other"}), 409, "slug_in_use")


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_item_is_not_found(shop: None, root: Caller, kind: str) -> None:
    with nothing_changes():
        for wrong in ("nonsense", str(uuid4()), ITEM_SLUGS[kind], "%00", "5"):
            for body in ({"name": "X"}, "{"):
                assert put(root, kind, wrong, body).status == 404
            assert root.delete(f"catalog/admin/{kind}/{wrong}").status == 404


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_never_sold_is_deleted(shop: None, root: Caller, kind: str) -> None:
    for row in listed(root, kind).values():
        answer = root.delete(f"catalog/admin/{kind}/{row['id']}")
        assert (answer.status, answer.body) == (200, {"ok": True})
        assert_refused(root.delete(f"catalog/admin/{kind}/{row['id']}"), 404, "catalog_item_not_found")
        assert_refused(put(root, kind, row["id"], {"name": "X"}), 404, "catalog_item_not_found")
        assert not MODELS[kind].objects.filter(id=row["id"]).exists()
        action, changes = audited()[-1]
        assert action.endswith(".deleted")
        assert changes["slug"] == [row["slug"], None]
    assert listed(root, kind) == {}
    assert root.post(f"catalog/admin/{kind}", {"slug": row["slug"], "name": "Again"}).status == 201


SOLD = {"plans": "m", "apps": "wordpress", "addons": "backup"}


@pytest.mark.parametrize("kind", SOLD)
def test_what_was_sold_is_retired(checkout: Checkout, ada: Caller, root: Caller, acme: str, kind: str) -> None:
    give_credit(Customer.objects.get(), 50_000)
    assert checkout(apps=["wordpress"], addons=["backup"]).status == 200
    subscription = ada.get(f"billing/subscription/{acme}").body
    row = listed(root, kind)[SOLD[kind]]
    assert root.delete(f"catalog/admin/{kind}/{row['id']}").body == {"ok": True}
    assert SOLD[kind] not in listed(root, kind)
    retired = MODELS[kind].objects.get(id=row["id"])
    assert (retired.active, retired.name) == (False, row["name"])
    assert audited()[-1] == (f"{retired._meta.model_name}.retired", {"active": [True, False]})
    with nothing_changes():
        assert_refused(root.delete(f"catalog/admin/{kind}/{row['id']}"), 404, "catalog_item_not_found")
        assert_refused(put(root, kind, row["id"], {"name": "X"}), 404, "catalog_item_not_found")
        taken = root.post(f"catalog/admin/{kind}", {"slug": SOLD[kind], "name": "Again"})
        assert_refused(taken, 409, "slug_taken")
        buying: dict[str, dict[str, Any]] = {
            "plans": {"plan_id": "m"},
            "apps": {"apps": ["wordpress"]},
            "addons": {"addons": ["backup"]},
        }
        again = ada.post("billing/checkout", {"tenant_id": acme, "plan_id": "s", **buying[kind]})
        assert_refused(again, 400, f"unknown_{retired._meta.model_name}")
    assert ada.get(f"billing/subscription/{acme}").body == subscription


def test_an_app_that_an_organization_only_chose_is_retired(root: Caller, ada: Caller) -> None:
    assert ada.post("tenant/orgs", {"slug": "bakery", "name": "B", "apps": ["mariadb"]}).status == 201
    assert root.delete(f"catalog/admin/apps/{ITEM_IDS['apps']}").status == 200
    assert App.objects.filter(id=ITEM_IDS["apps"], active=False).exists()


@pytest.mark.parametrize("kind", KINDS)
def test_lists_are_revalidated(shop: None, root: Caller, anybody: Caller, kind: str) -> None:
    first = anybody.get(f"catalog/{kind}")
    assert first.headers["Cache-Control"] == "no-cache"
    again = anybody.get(f"catalog/{kind}", If_None_Match=first.headers["ETag"])
    assert (again.status, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert again.headers["Cache-Control"] == "no-cache"
    put(root, kind, ITEM_IDS[kind], {"name": "Renamed"})
    changed = anybody.get(f"catalog/{kind}", If_None_Match=first.headers["ETag"])
    assert changed.status == 200
    assert changed.headers["ETag"] != first.headers["ETag"]
    assert b"Renamed" in changed.content


def test_a_page_has_an_etag_of_its_own(shop: None, anybody: Caller) -> None:
    whole, page = anybody.get("catalog/plans"), anybody.get("catalog/plans?limit=2")
    assert whole.headers["ETag"] != page.headers["ETag"]
    assert page.headers["Link"]


def test_a_change_is_in_force_in_every_process_at_once(ada: Caller, root: Caller, acme: str) -> None:
    give_credit(Customer.objects.get(), 100_000)
    order = {"tenant_id": acme, "plan_id": "s"}
    with api_process() as other:

        def prices() -> dict[str, int]:
            return {each["slug"]: each["price_minor"] for each in other.call("GET", "/api/catalog/plans")[1]}

        def buy(plan: str) -> int:
            status, answer, _ = other.call("POST", "/api/billing/checkout", {**order, "plan_id": plan}, ada.headers)
            assert status in (200, 400), answer
            return status

        assert prices()["l"] == 16_000
        # The other process has priced both baskets, and would take these prices again.
        assert [buy(plan) for plan in ("l", "s")] == [200, 200]
        assert put(root, "plans", ITEM_IDS["plans"], {"price_omr": 17.5}).status == 200
        assert prices()["l"] == 17_500
        assert buy("l") == 200
        assert Order.objects.latest("created_at").total_minor == 17_500
        assert buy("s") == 200
        assert root.delete(f"catalog/admin/plans/{ITEM_IDS['plans']}").status == 200
        assert "l" not in prices()
        assert buy("l") == 400


def test_an_industry_and_a_bundle_change_in_every_process_at_once(shop: None, root: Caller) -> None:
    with api_process() as other:
        for kind in ("industries", "bundles"):
            assert [each["slug"] for each in other.call("GET", f"/api/catalog/{kind}")[1]] == [ITEM_SLUGS[kind]]
            put(root, kind, ITEM_IDS[kind], {"name": "Renamed"})
            assert [each["name"] for each in other.call("GET", f"/api/catalog/{kind}")[1]] == ["Renamed"]


def test_the_last_item_that_is_removed_empties_the_list(shop: None, root: Caller, anybody: Caller) -> None:
    BundleFactory.create(slug="other")
    for row in listed(root, "bundles").values():
        root.delete(f"catalog/admin/bundles/{row['id']}")
    assert anybody.get("catalog/bundles").body == []
