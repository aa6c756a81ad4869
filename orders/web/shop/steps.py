"""The steps of the shop, and the frame of their pages."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.actor import Actor
from orders.web.shop.basket import Chosen

STEPS: dict[str, tuple[str, str | Promise]] = {
    "plan": ("shop", _("Plan")),
    "apps": ("shop-apps", _("Apps")),
    "addons": ("shop-addons", _("Add-ons")),
    "checkout": ("shop-checkout", _("Checkout")),
    "review": ("shop-review", _("Review")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step in the list at the top of a page. One that can be opened now has an address."""

    name: str | Promise
    address: str
    is_current: bool


def is_live(request: HttpRequest) -> bool:
    """Returns whether the page's script sends the form, and wants only the parts that change."""
    return "X-Live" in request.headers


def step_page(
    request: HttpRequest, step: str, *, chosen: Chosen, visitor: Actor | None, status: int = 200, **context: Any
) -> HttpResponse:
    """Renders a step's page, or for the page's script only its parts that change."""
    reached = list(STEPS)[: list(STEPS).index(step)] if chosen.plan else []
    if chosen.plan and step in ("plan", "apps"):
        reached += ["apps", "addons", "checkout"]
    steps = [
        Step(name=name, address=reverse(view) if key in reached and key != step else "", is_current=key == step)
        for key, (view, name) in STEPS.items()
    ]
    part = "live" if is_live(request) else "page"
    frame = {"steps": steps, "chosen": chosen, "visitor": visitor}
    return render(request, f"shop/{step}_{part}.html", {**frame, **context}, status=status)
