"""The figures of forecasts on the pages of what has not started, and on forms: "what if"."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest

from billing.admin.console.display import Fact, amount, moment
from billing.admin.console.forms import show_refusals_on
from billing.language import say
from billing.money import format_money
from promos.use_cases.attempts.rules import describe_rule
from promos.use_cases.forecasts.forecast_offer import Offer, forecast_offer

# The second button of a form that launches something.
WHAT_IF = ("what_if", "What if")


def asks_what_if(request: HttpRequest, form: forms.BaseForm) -> bool:
    """Returns whether the form was sent by its second button. It needs no reason then."""
    asks = WHAT_IF[0] in request.POST
    form.fields["reason"].required = not asks
    return asks


def what_if_facts(form: forms.BaseForm, offer: Callable[[], Offer]) -> list[Fact]:
    """Returns the figures of what was entered; none where the form now shows a refusal. Nothing is stored."""
    if form.is_valid():
        with show_refusals_on(form):
            return list(forecast_facts(forecast_offer(offer())))
    return []


def forecast_facts(found: Mapping[str, Any]) -> Iterable[Fact]:
    """Yields the figures of a forecast, in words for the person who approves it."""
    expected, worst = found["expected_redemptions"], found["worst_redemptions"]
    yield Fact("Expected cost", _cost(found["expected_minor"], expected))
    yield Fact("Worst cost", _cost(found["worst_minor"], worst))
    ceiling = found["ceiling_minor"]
    yield Fact("Most that its limits allow", say("no limit") if ceiling is None else amount(ceiling))
    if found["full_after_days"] is not None:
        yield Fact("Used up at worst", say("after %(number)s days", number=found["full_after_days"]))
    orders, customers = found["qualified_orders"], found["qualified_customers"]
    yield Fact(
        "Past orders that qualify",
        say(
            "%(part)s of %(whole)s, of %(number)s customers",
            part=f"{orders:,}",
            whole=f"{found['orders']:,}",
            number=f"{customers:,}",
        ),
    )
    if found["refused"]:
        reasons = sorted(found["refused"].items(), key=lambda each: -each[1])
        yield Fact("Others", "\n".join(f"{number:,}: {describe_rule(rule)}" for rule, number in reasons))
    asked = "%(amount)s a use, %(number)s uses" if found["max_redemptions"] else "%(amount)s a use, no cap"
    terms = {"amount": _money(found["credit_minor"]), "number": f"{found['max_redemptions']:,}"}
    yield Fact("Asked for", say(asked, **terms))
    yield Fact("Replayed from", moment(datetime.fromisoformat(found["since"])))
    yield Fact("Replayed until", moment(datetime.fromisoformat(found["until"])))
    if found["sampled_one_in"] > 1:
        yield Fact(
            "Sample", say("one customer in %(number)s; the figures are estimates", number=found["sampled_one_in"])
        )


def _cost(minor: int, redemptions: int) -> str:
    return say("%(amount)s for %(number)s redemptions", amount=_money(minor), number=f"{redemptions:,}")


def _money(minor: int) -> str:
    return format_money(minor, currency=settings.SOVEREIGN_CURRENCY)
