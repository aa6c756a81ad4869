"""The parameter `expand[]`: replaces ids in an answer by their objects, also inside lists.

A path has at most four steps; the `data` of a list counts as one. Some fields appear only if they are expanded, such
as `line_items` of a session or `refunds` of a charge.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from config.devtools.stripe_sandbox.protocol.errors import StripeError, invalid
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World, public, whole_list

MAX_DEPTH = 4


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


def expand_paths(world: World, item: Object, paths: list[str]) -> Object:
    """Return a copy of the answer for the client, with these paths expanded.

    Raises: StripeError for a path that cannot be expanded.
    """
    answer: Object = deepcopy(item)  # remove private fields last: included fields are computed from them
    for path in paths:
        steps = path.split(".")
        if len(steps) > MAX_DEPTH:
            raise invalid(
                f"You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}",
                param="expand",
                code="property_expansion_max_depth",
            )
        _Expansion(world, path).expand(answer, steps)
    shown: Object = public(answer)
    return shown


@dataclass
class _Expansion:
    """The expansion of one path."""

    world: World
    path: str

    def expand(self, holder: Any, steps: list[str], owner: Object | None = None, inside: str = "") -> None:
        """Expand the first step of the path, then the other steps inside its value.

        Args: owner: the closest object around `holder`; inside: the path from `owner` to `holder`.
        """
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
        """Return the object of an id, or the objects of a list of ids. Any other value is returned unchanged."""
        if isinstance(value, list):
            return [self.objects(each) for each in value]
        if isinstance(value, dict) or value is None:
            return value
        found = self.world.store.load(value) if isinstance(value, str) else None
        if found is None:
            raise self.refusal()
        return deepcopy(found)

    def refusal(self, hint: str = "") -> StripeError:
        """Make the refusal of a path that cannot be expanded."""
        return invalid(f"This property cannot be expanded ({self.path}).{hint}", param="expand")
