"""The page of the ledger, of a customer, a voucher, a batch or a campaign as of a past instant."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminTextInputWidget

from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    amount,
    change_url,
    link,
    list_url,
    moment,
)
from billing.admin.console.filters import YEARS
from billing.admin.console.forms import TranslatedForm
from billing.admin.ledger import matching_customers
from billing.errors import DomainError
from billing.language import say
from billing.local_time import read_written_time, to_local
from billing.text import as_sentence
from billing.use_cases.past.position_at import PositionAt, position_at
from billing.use_cases.past.trial_balance import TrialBalance, trial_balance
from promos.models.oversight.figures import CreditFigures
from promos.use_cases.past.voucher_at import VoucherAt, batch_at, campaign_at, code_at

# The parameter of an address that asks for figures though they take long.
_WAITS = "waits"
_VOUCHERS = {"code": code_at, "batch": batch_at, "campaign": campaign_at}


def _text(label: str, help_text: str = "") -> forms.CharField:
    widget = UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    return forms.CharField(label=label, required=False, max_length=255, help_text=help_text, widget=widget)


class PastForm(TranslatedForm, forms.Form):
    """An instant, and what is looked up; without a subject, the whole ledger."""

    at = _text("Instant", "For example, 2026-12-31 23:59:59, or with a fraction of a second; or as in RFC 3339.")
    customer = _text("Customer", "E-mail or user id.")
    code = _text("Voucher")
    batch = _text("Batch of cards")
    campaign = _text("Campaign")

    def clean_at(self) -> datetime:
        text = self.cleaned_data["at"].strip()
        if not text:
            return timezone.now()
        try:
            at = read_written_time(text)
        except ValueError as error:
            raise forms.ValidationError("Write the instant as 2026-12-31 23:59:59.") from error
        if at.year not in YEARS:
            raise forms.ValidationError("Write an instant of this century.")
        return at

    def clean(self) -> dict[str, Any]:
        subjects = [name for name in ("customer", *_VOUCHERS) if self.cleaned_data.get(name)]
        if len(subjects) > 1:
            raise forms.ValidationError("Name a customer, a voucher, a batch or a campaign, and only one of them.")
        return self.cleaned_data


def past_page(admin: Any, request: HttpRequest) -> HttpResponse:
    """Shows the ledger, or the one subject that the form names, at an instant."""
    form = PastForm(request.GET or None)
    facts: list[Fact] = []
    panels: list[Panel] = []
    if form.is_valid():
        try:
            facts, panels = _found(form.cleaned_data, waits=_WAITS in request.GET)
        except DomainError as error:
            form.add_error(None, as_sentence(error.text))
    context = {
        **admin.admin_site.each_context(request),
        "title": say("As of a past instant"),
        "crumbs": [(say("Ledger"), list_url(admin.model_label)), (say("As of a past instant"), "")],
        "facts": facts,
        "panels": panels,
        "past": form,
    }
    return TemplateResponse(request, "admin/past.html", context)


def _found(asked: dict[str, Any], *, waits: bool) -> tuple[list[Fact], list[Panel]]:
    """Returns what is shown. Args: waits: also for many redemptions. Raises: DomainError for an unknown subject."""
    at = asked["at"]
    instant = Fact("Instant", to_local(at).isoformat(sep=" "))
    if term := asked["customer"].strip():
        facts, panels = [instant], []
        for customer in matching_customers(term).filter(account__isnull=False):
            shown = position_at(customer, at=at, with_lots=True)
            facts += [Fact("Customer", link(customer, change_url("billing_customer", customer.pk)))]
            facts += position_facts(shown)
            panels.append(lots_panel(shown))
        return (facts, panels) if panels else ([Fact("Customer", "There is no such customer.")], [])
    for name, find in _VOUCHERS.items():
        if asked[name].strip():
            found = find(asked[name].strip(), at=at, waits=waits)
            return [instant, *_voucher_facts(found)], [_nightly_panel(found.nightly, found)] if found.nightly else []
    balance = trial_balance(at=at)
    return [instant, *_ledger_facts(balance)], [_trial_panel(balance)]


def position_facts(found: PositionAt) -> Iterable[Fact]:
    """Returns a customer's credit at an instant as facts."""
    yield Fact("Balance, as known then", amount(found.balance_minor))
    yield Fact("Balance, as corrected since", amount(found.corrected_minor))
    yield Fact("Held for open payments", amount(found.held_minor))
    yield Fact("Expired, without an entry yet", amount(found.expired_minor))
    yield Fact("Available", amount(found.available_minor))
    yield Fact("Ledger entries until then", f"{found.entries:,}")


def lots_panel(found: PositionAt) -> Panel:
    """Returns a customer's lots at an instant as a table."""
    return Panel(
        title=say("Lots of %(customer)s", customer=found.user_id),
        columns=[
            Column("Brought by"),
            Column("Class"),
            Column("Expires"),
            Column("Brought", right=True),
            Column("Left", right=True),
            Column("Held", right=True),
        ],
        rows=[
            (
                link("entry", change_url("billing_ledgerentry", lot.entry_id)),
                lot.credit_class,
                moment(lot.expires_at) if lot.expires_at else NOTHING,
                amount(lot.brought_minor),
                amount(lot.left_minor),
                amount(lot.held_minor),
            )
            for lot in found.lots
        ],
        empty="There was no credit.",
    )


def _ledger_facts(balance: TrialBalance) -> Iterable[Fact]:
    yield Fact("Credit of all customers, as known then", amount(balance.balance_minor))
    yield Fact("The same, as corrected since", amount(balance.corrected_minor))
    yield Fact("Held for open payments", amount(balance.held_minor))


def _trial_panel(balance: TrialBalance) -> Panel:
    total = ("Total", "", f"{sum(line.entries for line in balance.lines):,}")
    return Panel(
        title="Trial balance",
        columns=[
            Column("Kind"),
            Column("Class"),
            Column("Entries", right=True),
            Column("As known then", right=True),
            Column("As corrected since", right=True),
        ],
        rows=[
            *(
                (
                    capfirst(line.kind),
                    line.credit_class or NOTHING,
                    f"{line.entries:,}",
                    amount(line.known_minor),
                    amount(line.corrected_minor),
                )
                for line in balance.lines
            ),
            (*total, amount(balance.balance_minor), amount(balance.corrected_minor)),
        ],
        empty="There was no entry.",
    )


def _voucher_facts(found: VoucherAt) -> Iterable[Fact]:
    yield Fact(capfirst(found.kind), found.name)
    if not found.state:
        yield Fact("State", "It did not exist yet.")
        return
    for name, value in found.state.items():
        yield Fact(capfirst(name.removesuffix("_minor").replace("_", " ")), _value(name, value))
    figures = found.figures
    if figures is None:
        return
    yield Fact("Live redemptions", f"{figures.redemptions:,}")
    yield Fact("Customers", f"{figures.customers:,}")
    yield Fact("Granted", amount(figures.granted_minor))
    yield Fact("Taken back", amount(figures.taken_back_minor))
    yield Fact("Left with customers", amount(figures.left_minor))
    yield Fact("Held for open payments", amount(figures.held_minor))


def _nightly_panel(nightly: CreditFigures, found: VoucherAt) -> Panel:
    """Returns the last night's figures, with a link to those of the instant, which take long."""
    query = urlencode({"at": found.at.isoformat(), found.kind: found.name, _WAITS: 1})
    return Panel(
        title="Figures of the last night",
        facts=[
            Fact("As of", moment(nightly.as_of)),
            Fact("Redemptions", f"{nightly.redemptions:,}"),
            Fact("Customers", f"{nightly.customers:,}"),
            Fact("Granted, less what was taken back", amount(nightly.granted_minor)),
            Fact("Spent", amount(nightly.spent_minor)),
            Fact("Expired", amount(nightly.expired_minor)),
            Fact("Left with customers", amount(nightly.left_minor)),
            Fact("As of the instant", link("Add up all redemptions, which may take minutes", f"?{query}")),
        ],
    )


def _value(name: str, value: Any) -> Text:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return say("yes" if value else "no")
    return amount(value) if name.endswith("_minor") else str(value)
