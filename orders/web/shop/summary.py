"""The summary beside each step: what was chosen, what it costs a month, and whether the apps fit the plan."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import get_language_bidi
from django.utils.translation import gettext as _

from billing.money import local_money
from orders.models import App, OrderLine, Plan
from orders.models.basket import BundleDiscount, Line, bill_rows, discount_lines
from orders.use_cases.apps.compare_needs import capacity_of, fits, needs_of, recommend_plan
from orders.web.shop.basket import Chosen
from orders.web.shop.offer import Offer

_MB_OF_GB = 1024
_MILLI_OF_CPU = 1000


def money(minor: int, *, signed: bool = False) -> str:
    """Formats an amount of the deployment's currency, in the active language."""
    return local_money(minor, currency=settings.SOVEREIGN_CURRENCY, signed=signed).replace("-", "\N{MINUS SIGN}")


def join_names(names: Iterable[str]) -> str:
    """Joins names by the comma of the active language. Where that runs to the left, so do Latin names."""
    joined = list(names)
    if get_language_bidi() and len(joined) > 1:
        joined = [f"\u2068{name}\u2069" for name in joined]
    # Translators: the comma and the space between two names.
    return _(", ").join(joined)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    price: str


def price_rows(lines: Iterable[Line | OrderLine], bundle: BundleDiscount | None) -> list[Row]:
    """Formats the lines of a bill, and a bundle's discount."""
    return [Row(name=name, price=money(minor)) for name, minor in bill_rows(lines, bundle)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A need of the apps beside what the plan offers of it. Without a limit there is no `offered`."""

    name: str
    needed: str
    offered: str
    percent: int
    exceeds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    rows: list[Row]
    apps: list[str]
    app_names: str
    total: str
    meters: list[Meter]
    too_small: bool
    recommended: Plan | None


def summarize(chosen: Chosen, offer: Offer) -> Summary:
    """Adds up the basket at today's prices. The review quotes it again with the use case of the checkout."""
    lines = _priced_lines(chosen, offer)
    deployed = offer.with_dependencies(chosen.apps) if chosen.apps else []
    recommended = recommend_plan(offer.plans, deployed) if deployed else None
    return Summary(
        rows=price_rows(lines, chosen.bundle),
        apps=[app.local_name for app in chosen.apps],
        app_names=join_names(app.local_name for app in chosen.apps),
        total=money(sum(line.price_minor for line in lines)),
        meters=_meters(chosen.plan, deployed) if chosen.plan and deployed else [],
        too_small=bool(chosen.plan and deployed and not fits(chosen.plan, offer.plans, deployed)),
        recommended=recommended if recommended != chosen.plan else None,
    )


def _priced_lines(chosen: Chosen, offer: Offer) -> Sequence[Line]:
    lines = [offer.line_of(OrderLine.Kind.PLAN, chosen.plan)] if chosen.plan else []
    lines += [offer.line_of(OrderLine.Kind.ADDON, addon) for addon in chosen.addons]
    if chosen.bundle is None:
        return lines
    return discount_lines(lines, percent=chosen.bundle.percent, basis_points=offer.added_points)


def _meters(plan: Plan, deployed: list[App]) -> list[Meter]:
    needed, offered = needs_of(deployed), capacity_of(plan)
    return [
        _meter(_("Memory"), needed.memory_mb, offered.memory_mb, scale=_MB_OF_GB, unit=_("GB")),
        _meter(_("Processing"), needed.cpu_milli, offered.cpu_milli, scale=_MILLI_OF_CPU, unit=_("vCPU")),
        _meter(_("Storage"), needed.disk_gb, offered.disk_gb, scale=1, unit=_("GB")),
    ]


def _meter(name: str, needed: int | None, offered: int | None, *, scale: int, unit: str) -> Meter:
    need = needed or 0
    return Meter(
        name=name,
        needed=f"{need / scale:.1f}".removesuffix(".0"),
        offered=f"{offered // scale} {unit}" if offered is not None else "",
        percent=min(100, 100 * need // offered) if offered else 0,
        exceeds=offered is not None and need > offered,
    )
