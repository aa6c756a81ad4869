"""The calls of the shop, in its order: catalog, sign-in, address, organization, voucher, checkout, polling."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.journeys.front_end import FrontEnd
from tests.journeys.shapes import (
    CATALOG,
    INVOICE,
    ORG,
    PREVIEW,
    PROVISION,
    SUBSCRIPTION,
    USER,
    VOUCHER,
    conforms,
)
from tests.journeys.worker import run_worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """The basket of a customer: plan m, one app, one paid add-on, and the organization that it is for."""

    tenant: str
    slug: str
    plan: dict[str, Any]
    app: dict[str, Any]
    addon: dict[str, Any]
    voucher: str

    @property
    def total_minor(self) -> int:
        return int((self.plan["price_omr"] + self.addon["price_omr"]) * 1_000)

    @property
    def order(self) -> dict[str, Any]:
        return {
            "plan_id": self.plan["id"],
            "apps": [self.app["id"]],
            "addons": [self.addon["id"]],
            "tenant_id": self.tenant,
            "promo_code": self.voucher,
        }

    def start(self, order_id: str) -> dict[str, Any]:
        """The body of `provisioning/start`."""
        return {
            "tenant_id": self.tenant,
            "order_id": order_id,
            "plan_id": self.plan["id"],
            "apps": [self.app["id"]],
            "subdomain": self.slug,
        }


def issue_voucher(staff: FrontEnd, code: str, credit_omr: int, **body: Any) -> dict[str, Any]:
    issued = staff.post("billing/vouchers/issue", {"code": code, "credit_omr": credit_omr, **body})
    assert issued.status == 200, issued
    assert conforms(issued.body, VOUCHER)
    return dict(issued.body)


def shop_in_order_of_calls(
    visitor: FrontEnd, *, voucher: str, email: str = "Ada@Example.org ", slug: str = "ada-bakery"
) -> Basket:
    """Do everything that the shop does before the checkout."""
    lists = {}
    for kind, fields in CATALOG.items():
        lists[kind] = visitor.read(f"catalog/{kind}")
        assert lists[kind], kind
        assert all(conforms(row, fields) for row in lists[kind])
    plan = next(row for row in lists["plans"] if row["slug"] == "m")
    app = next(row for row in lists["apps"] if row["slug"] == "wordpress")
    addon = next(row for row in lists["addons"] if row["price_omr"] and not row["included"])

    for path in ("auth/me", "tenant/orgs", "billing/balance"):
        assert visitor.get(path).status == 401, path
    visitor.sign_in(email)
    assert conforms(visitor.user, USER)
    assert (visitor.user["email"], visitor.user["role"]) == (email.strip().lower(), "member")
    assert visitor.read("auth/me") == {"user": visitor.user}
    assert visitor.read("tenant/orgs") == []

    assert visitor.read(f"tenant/check-slug/{slug}") == {"available": True}
    basket = {"plan_id": plan["id"], "apps": [app["id"]], "addons": [addon["id"]]}
    made = visitor.post("tenant/orgs", {"slug": slug, "name": "Ada Bakery", **basket})
    assert made.status == 201, made
    assert conforms(made.body, ORG)
    assert (made.body["status"], made.body["plan_id"]) == ("pending", plan["id"])
    assert (made.body["apps"], made.body["addons"]) == ([app["id"]], [addon["id"]])
    assert (made.body["app_slugs"], made.body["app_states"]) == (["wordpress"], {})
    assert visitor.read(f"tenant/check-slug/{slug}") == {"available": False}
    taken = visitor.post("tenant/orgs", {"slug": slug, "name": "Again", **basket})
    assert taken.status == 409
    assert "slug is already taken" in taken.body["error"]
    assert visitor.read("tenant/orgs") == [made.body]

    preview = visitor.post("billing/vouchers/redeem-preview", {"code": f" {voucher} "})
    assert preview.status == 200, preview
    assert conforms(preview.body, PREVIEW)
    assert (preview.body["code"], preview.body["accepting_redemptions"]) == (voucher.upper(), True)
    assert not {"max_redemptions", "times_redeemed"} & set(preview.body)
    return Basket(tenant=made.body["id"], slug=slug, plan=plan, app=app, addon=addon, voucher=voucher)


def poll_between_steps(customer: FrontEnd, tenant: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Run the worker, poll the provision before, between and after its steps, and return what was polled."""
    seen: list[dict[str, Any]] = []

    def poll(_: float = 0) -> None:
        provision = customer.read(f"provisioning/tenant/{tenant}")
        assert conforms(provision, PROVISION)
        assert customer.read(f"provisioning/status/{provision['id']}") == provision
        seen.append(provision)

    poll()
    with monkeypatch.context() as patch:
        # The worker pauses between two steps: the client polls instead.
        patch.setattr("django.conf.settings.PLAYED_STEP_SECONDS", 1)
        patch.setattr("orders.tasks.time.sleep", poll)
        run_worker()
    poll()
    return seen


def assert_complete(customer: FrontEnd, bought: Basket, *, order_id: str) -> None:
    """Assert that the organization is live, and that every reading of the customer agrees."""
    org = customer.read(f"tenant/orgs/{bought.tenant}")
    assert conforms(org, ORG)
    assert (org["status"], org["plan_id"], org["app_states"]) == ("active", bought.plan["id"], {})
    # Its apps' dependencies may be listed as well.
    assert set(org["apps"]) >= {bought.app["id"]}
    assert org["addons"] == [bought.addon["id"]]
    assert customer.read("tenant/orgs") == [org]
    provision = customer.read(f"provisioning/tenant/{bought.tenant}")
    assert (provision["order_id"], provision["status"], provision["progress"]) == (order_id, "completed", 100)
    assert {step["status"] for step in provision["steps"]} == {"completed"}
    assert f"Deploying {bought.app['name']}" in [step["name"] for step in provision["steps"]]
    assert all(step["started_at"] <= step["done_at"] for step in provision["steps"])
    subscription = customer.read(f"billing/subscription/{bought.tenant}")
    assert conforms(subscription, SUBSCRIPTION)
    assert (subscription["plan_id"], subscription["status"]) == (bought.plan["id"], "active")
    assert customer.read("billing/subscription") == subscription
    [invoice] = customer.read(f"billing/invoices/{bought.tenant}")
    assert conforms(invoice, INVOICE)
    assert (invoice["amount_minor"], invoice["status"]) == (bought.total_minor, "paid")
