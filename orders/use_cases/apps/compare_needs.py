"""Compares what apps need with what a plan offers, and recommends a plan. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orders.models import App, Plan

# A plan's capacities are texts such as "4 vCPU" and "16 GB". One without a number, such as "On demand", has no limit.
_AMOUNT = re.compile(r"\s*([0-9]+)\s*(TB|MB)?", re.IGNORECASE)
_MB_OF_GB = 1024
_MILLI_OF_CPU = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Amounts of memory, processing and storage; None has no limit."""

    memory_mb: int | None
    cpu_milli: int | None
    disk_gb: int | None

    def covers(self, needed: "Amounts") -> bool:
        """Returns whether these amounts are at least the needed ones, each of which is a number."""
        pairs = (
            (self.memory_mb, needed.memory_mb),
            (self.cpu_milli, needed.cpu_milli),
            (self.disk_gb, needed.disk_gb),
        )
        return all(offered is None or need is None or need <= offered for offered, need in pairs)


def needs_of(apps: Sequence[App]) -> Amounts:
    """Adds up what the apps need, each once."""
    return Amounts(
        memory_mb=sum(app.ram_mb for app in apps),
        cpu_milli=sum(app.cpu_milli for app in apps),
        disk_gb=sum(app.disk_gb for app in apps),
    )


def capacity_of(plan: Plan) -> Amounts:
    """Reads what a plan offers from its texts."""
    memory_gb_mb, disk_gb_mb = _megabytes(plan.memory), _megabytes(plan.storage)
    cpus = _AMOUNT.match(plan.cpu)
    return Amounts(
        memory_mb=memory_gb_mb,
        cpu_milli=int(cpus[1]) * _MILLI_OF_CPU if cpus else None,
        disk_gb=None if disk_gb_mb is None else disk_gb_mb // _MB_OF_GB,
    )


def recommend_plan(plans: Sequence[Plan], apps: Sequence[App]) -> Plan | None:
    """Returns the smallest plan that has the recommended size of each app and room for all of them together.

    An app's size is the slug of a plan. Where the catalog has no such plan, the app fits every plan.
    """
    return _smallest(plans, apps, sizes=[app.recommended_size or app.minimum_size for app in apps])


def smallest_plan(plans: Sequence[Plan], apps: Sequence[App]) -> Plan | None:
    """Returns the smallest plan on which all the apps run."""
    return _smallest(plans, apps, sizes=[app.minimum_size for app in apps])


def fits(plan: Plan, plans: Sequence[Plan], apps: Sequence[App]) -> bool:
    """Returns whether all the apps run on the plan."""
    smallest = max(
        (each.sort_order for each in plans if each.slug in {app.minimum_size for app in apps}), default=None
    )
    return (smallest is None or plan.sort_order >= smallest) and capacity_of(plan).covers(needs_of(apps))


def _smallest(plans: Sequence[Plan], apps: Sequence[App], *, sizes: Sequence[str]) -> Plan | None:
    least = max((plan.sort_order for plan in plans if plan.slug in sizes), default=None)
    fitting = [
        plan
        for plan in plans
        if (least is None or plan.sort_order >= least) and capacity_of(plan).covers(needs_of(apps))
    ]
    return min(fitting, key=lambda plan: plan.sort_order, default=None)


def _megabytes(text: str) -> int | None:
    found = _AMOUNT.match(text)
    if not found:
        return None
    amount, unit = int(found[1]), (found[2] or "GB").upper()
    return amount if unit == "MB" else amount * _MB_OF_GB * (_MB_OF_GB if unit == "TB" else 1)
