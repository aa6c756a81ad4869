"""`expand[]`: an id in an answer is replaced by the object, also inside lists.

A path has at most four steps, and every `data` of a list counts as one.

Fields that Stripe leaves out unless they are expanded (`line_items` of a session, `refunds` of a charge, …) are
put in.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from config.devtools.stripe_sandbox.errors import StripeError, invalid
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World, public, whole_list

DEEPEST = 4


def _line_items(world: World, item: Object) -> Any:
    return whole_list(item["_sandbox"]["lines"], f"/v1/checkout/sessions/{item['id']}/line_items")


def _discounts_of_line(world: World, item: Object) -> Any:
    discount = world.store.load(item["_sandbox"]["discount"] or "")
    return [{"amount": item["amount_discount"], "discount": discount}] if discount else []


def _refunds(world: World, item: Object) -> Any:
    return whole_list(world.store.select("refund", charge=item["id"]), f"/v1/charges/{item['id']}/refunds")


def _payments(world: World, item: Object) -> Any:
    return whole_list(world.store.select("invoice_payment", invoice=item["id"]), "/v1/invoice_payments")


def _subscriptions(world: World, item: Object) -> Any:
    live = [each for each in world.store.select("subscription", customer=item["id"]) if each["status"] != "canceled"]
    return whole_list(live, f"/v1/customers/{item['id']}/subscriptions")


def _breakdown(world: World, item: Object) -> Any:
    discount = world.store.load(item["_sandbox"]["discount"] or "")
    off = {"amount": item["total_details"]["amount_discount"], "discount": discount}
    return {"discounts": [off] if discount else [], "taxes": []}


def _nothing(world: World, item: Object) -> Any:
    return None


def _no_sources(world: World, item: Object) -> Any:
    return whole_list([], f"/v1/customers/{item['id']}/sources")


_INCLUDABLE: dict[tuple[str, str], Callable[[World, Object], Any]] = {
    ("charge", "refunds"): _refunds,
    ("checkout.session", "line_items"): _line_items,
    ("checkout.session", "total_details.breakdown"): _breakdown,
    ("coupon", "applies_to"): _nothing,
    ("item", "discounts"): _discounts_of_line,
    ("customer", "sources"): _no_sources,
    ("customer", "subscriptions"): _subscriptions,
    ("customer", "tax"): _nothing,
    ("invoice", "payments"): _payments,
    ("price", "currency_options"): _nothing,
    ("price", "tiers"): _nothing,
}


def expanded(world: World, item: Object, paths: list[str]) -> Object:
    """A copy of the answer for the client, with these paths expanded.

    Raises: StripeError for a path that leads to nothing expandable.
    """
    answer: Object = deepcopy(item)  # public only when all is in it: what is put in needs the rest
    for path in paths:
        steps = path.split(".")
        if len(steps) > DEEPEST:
            raise invalid(
                f"You cannot expand more than {DEEPEST} levels of a property. Property: {path}",
                param="expand",
                code="property_expansion_max_depth",
            )
        _Expansion(world, path).expand(answer, steps)
    shown: Object = public(answer)
    return shown


@dataclass
class _Expansion:
    """One path on its way; `owner` is the object it is inside of, `inside` the fields since then."""

    world: World
    path: str

    def expand(self, holder: Any, steps: list[str], owner: Object | None = None, inside: str = "") -> None:
        """Expand the first step, then the rest of them in what stands there."""
        if not steps or holder is None:
            return
        if isinstance(holder, list):
            for each in holder:
                self.expand(each, steps, owner, inside)
            return
        name, rest = steps[0], steps[1:]
        if not isinstance(holder, dict):
            raise self.refusal()
        if "object" in holder:
            owner, inside = holder, ""
        if holder.get("object") == "list" and name != "data":
            raise self.refusal(f" You may want to try expanding 'data.{self.path}' instead.")
        if name not in holder:
            include = _INCLUDABLE.get((owner["object"] if owner else "", f"{inside}{name}"))
            if include is None or owner is None:
                raise self.refusal()
            holder[name] = deepcopy(include(self.world, owner))
        holder[name] = self.objects(holder[name])
        self.expand(holder[name], rest, owner, f"{inside}{name}.")

    def objects(self, value: Any) -> Any:
        """What stands behind an id, or behind each of a list of ids; a group is what it was."""
        if isinstance(value, list):
            return [self.objects(each) for each in value]
        if isinstance(value, dict) or value is None:
            return value
        found = self.world.store.load(value) if isinstance(value, str) else None
        if found is None:
            raise self.refusal()
        return deepcopy(found)

    def refusal(self, hint: str = "") -> StripeError:
        """The path leads to nothing that can be expanded."""
        return invalid(f"This property cannot be expanded ({self.path}).{hint}", param="expand")
