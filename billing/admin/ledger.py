"""The pages of the ledger and of holds. A superadmin corrects the ledger by a reversal, with a reason."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from billing.actor import CUSTOMER, SYSTEM
from billing.admin.audit import name_channel
from billing.admin.console.acts import confirm_act, find_for_act
from billing.admin.console.base import ReadOnlyAdmin, View
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    Tool,
    amount,
    badge,
    change_url,
    clipped,
    code,
    link,
    moment,
    short_id,
    two_lines,
)
from billing.admin.console.filters import DayRangeFilter
from billing.admin.console.people import name_of
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done
from billing.errors import EntryNotReversible
from billing.language import name_person, name_role, say
from billing.locks import lock_account
from billing.models import Customer, Hold, LedgerEntry
from billing.queries import exists_per_row
from billing.stored_words import say_reason
from billing.use_cases.ledger.post_entry import MOVED_IN, MOVED_OUT, TRANSFER, reverse_entry

CORRECT_CREDIT_PERMISSION = "billing.add_ledgerentry"
# Whether the role carries it out or only proposes it, the limits of `APPROVAL_LIMITS` say.
PROPOSE_PERMISSION = "billing.add_proposal"
_MAX_PANEL_ROWS = 20


def matching_customers(term: str) -> QuerySet[Customer, Customer]:
    """Returns the customers whose e-mail address or user id equals the search term."""
    return Customer.objects.filter(Q(user_id=term) | Q(email__iexact=term))


def keys_of_customers(term: str) -> list[int]:
    """Reads the keys of matching customers: a subquery beside other conditions would be compared with each row."""
    return list(matching_customers(term).values_list("pk", flat=True))


def customer_link(customer: Customer) -> Text:
    """Links to the customer's page."""
    return link(customer, change_url("billing_customer", customer.pk))


def order_link(order_id: UUID | None) -> Text:
    """Links to the order's page."""
    return link(short_id(order_id), change_url("orders_order", order_id)) if order_id else NOTHING


def entry_rows(entries: Iterable[LedgerEntry]) -> list[tuple[Text, ...]]:
    """Formats ledger entries as rows of a panel with the columns `ENTRY_COLUMNS`."""
    return [
        (
            link(moment(entry.created_at), change_url("billing_ledgerentry", entry.pk)),
            badge(entry.kind),
            code(entry.reason),
            amount(entry.amount_minor, signed=True),
            amount(entry.balance_after_minor),
        )
        for entry in entries
    ]


ENTRY_COLUMNS = (
    Column("Time"),
    Column("Kind"),
    Column("Reason"),
    Column("Amount", right=True),
    Column("Balance after", right=True),
)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    """Ledger entries. They are append-only; a reversal is a new entry, posted by a use case."""

    reads_replica = True
    nouns = "ledger"
    noun = "ledger entry"
    list_display = (
        "when",
        "customer_named",
        "kinds",
        "entry_amount",
        "balance_amount",
        "cause",
        "who",
    )
    list_filter = ("kind", ("created_at", DayRangeFilter))
    list_filter_submit = True
    list_select_related = ("account__customer",)
    narrow_by = {
        "account__customer__user_id": "customer",
        "order_id": "order",
        "redemption_id": "redemption",
    }
    search_fields = ("id",)
    search_help_text = "Customer's e-mail or user id; entry, order or redemption id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry, LedgerEntry]:
        undone = exists_per_row(LedgerEntry.objects.filter(reverses=OuterRef("pk")))
        entries = LedgerEntry.objects.select_related("account__customer")
        return entries.annotate(is_reversed=undone, actor_name=name_of("actor_id"))

    def search_filter(self, term: str) -> Q:
        try:
            key = UUID(term)
        except ValueError:
            return Q(account__customer__in=matching_customers(term))
        # Each condition can use its own index, but not beside a subquery: so the customers are looked up first.
        spends = Q(order_id=key, kind=LedgerEntry.Kind.SPEND)
        grants = Q(redemption_id=key, kind=LedgerEntry.Kind.GRANT)
        return Q(pk=key) | spends | grants | Q(account_id__in=keys_of_customers(term))

    @admin.display(description="Time")
    def when(self, entry: LedgerEntry) -> Text:
        return moment(entry.created_at)

    @admin.display(description="Customer")
    def customer_named(self, entry: LedgerEntry) -> Text:
        return customer_link(entry.account.customer)

    @admin.display(description="Kind")
    def kinds(self, entry: Any) -> Text:
        undone = badge("reversed", "warn") if entry.is_reversed else ""
        return format_html("{} {}", badge(entry.kind), undone)

    @admin.display(description="Amount")
    def entry_amount(self, entry: LedgerEntry) -> Text:
        return amount(entry.amount_minor, signed=True)

    @admin.display(description="Balance after")
    def balance_amount(self, entry: LedgerEntry) -> Text:
        return amount(entry.balance_after_minor)

    @admin.display(description="Reason")
    def cause(self, entry: LedgerEntry) -> Text:
        order = order_link(entry.order_id) if entry.order_id else ""
        return two_lines(code(entry.reason), clipped(say_reason(entry.note)) if entry.note else order)

    @admin.display(description="By")
    def who(self, entry: LedgerEntry) -> Text:
        return two_lines(name_role(entry.actor_role), name_channel(entry.channel))

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Customer", self.customer_named(record))
        yield Fact("Kind", self.kinds(record))
        yield Fact("Amount", amount(record.amount_minor, signed=True))
        yield Fact("Balance after", amount(record.balance_after_minor))
        yield Fact("Reason", code(record.reason))
        if record.note:
            yield Fact("Note", say_reason(record.note))
        yield Fact("Time", moment(record.created_at))
        yield Fact("Position in the account", f"{record.version:,}")
        yield Fact("Order", order_link(record.order_id))
        if record.redemption_id:
            url = change_url("promos_redemption", record.redemption_id)
            yield Fact("Redemption", link(short_id(record.redemption_id), url))
        if record.reverses_id:
            url = change_url("billing_ledgerentry", record.reverses_id)
            yield Fact("Reverses", link(short_id(record.reverses_id), url))
        is_staff = record.actor_role not in (CUSTOMER, SYSTEM)
        by = name_person(record.actor_name, record.actor_role) if is_staff else name_role(record.actor_role)
        yield Fact("By", f"{by}{say(', ')}{name_channel(record.channel)}")
        yield Fact("User id", code(record.actor_id))
        yield Fact("Address", record.address or NOTHING)
        yield Fact("Entry id", code(record.pk))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        if record.is_reversed:
            yield Panel(
                title="Reversed by",
                columns=ENTRY_COLUMNS,
                rows=entry_rows(LedgerEntry.objects.filter(reverses=record)),
                empty="",
            )

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if request.user.has_perm(CORRECT_CREDIT_PERMISSION) and not _refusal(record):
            url = reverse("admin:billing_ledgerentry_reverse", args=[record.pk])
            yield Tool("Reverse", url, "danger")

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [("<uuid:entry_id>/reverse/", "reverse", self.reverse_view)]

    def reverse_view(self, request: HttpRequest, entry_id: UUID) -> HttpResponse:
        """Asks for a reason, and posts the opposite entry."""
        entry = find_for_act(self, request, entry_id, permission=CORRECT_CREDIT_PERMISSION)
        refusal = _refusal(entry)

        def reverse(reason: str) -> Done:
            if refusal:
                raise EntryNotReversible(refusal)
            made = reverse_entry(entry_id=entry.pk, why=reason, by=actor_of(request))
            return Done("The entry is reversed. This is the reversal.", change_url(self.model_label, made.pk))

        return confirm_act(
            self,
            request,
            entry,
            name="reverse",
            title="Reverse",
            submit="Reverse this entry",
            # The page shows the balance before and after, so a form is refused after the balance has changed.
            seen=entry.account.version,
            lock_state=lambda: lock_account(customer_id=entry.account_id).version,
            effect=reverse,
            facts=[
                Fact("Customer", self.customer_named(entry)),
                Fact("Entry", code(entry.reason)),
                Fact("Amount", amount(entry.amount_minor, signed=True)),
                Fact("Balance now", amount(entry.account.balance_minor)),
                Fact("Reversal", amount(-entry.amount_minor, signed=True)),
                Fact("Balance afterwards", amount(entry.account.balance_minor - entry.amount_minor)),
            ],
            warning=refusal
            or _WARNINGS.get(entry.kind, "The entry stays in the ledger; an opposite entry is added."),
            danger=True,
        )


_WARNINGS = {
    LedgerEntry.Kind.SPEND: "The entry stays in the ledger; an opposite entry gives the credit back."
    " The order that it paid for does not change.",
}


def _refusal(entry: Any) -> str:
    """Says why the entry cannot be reversed here; empty if it can. The use case checks again under its lock."""
    if entry.kind == LedgerEntry.Kind.REVERSAL:
        return "A reversal cannot be reversed. Adjust the customer's credit instead."
    if entry.reason.startswith(TRANSFER):
        return "A transfer between two merged customers cannot be reversed."
    if entry.reason.startswith((MOVED_OUT, MOVED_IN)):
        return "A move to or from another Sovereign cannot be reversed."
    if entry.is_reversed:
        return "This entry was already reversed."
    if entry.redemption_id:
        return "This credit comes from a redemption. Release the redemption instead: that also frees its slot."
    return ""


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """Credit set aside for open payments."""

    list_display = ("when", "customer_named", "held_amount", "state", "order", "closed")
    list_filter = ("status",)
    list_select_related = ("account__customer",)
    narrow_by = {"account__customer__user_id": "customer", "order_id": "order"}
    search_fields = ("id",)
    search_help_text = "Customer's e-mail or user id; hold or order id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Hold, Hold]:
        return Hold.objects.select_related("account__customer")

    def search_filter(self, term: str) -> Q:
        try:
            key = UUID(term)
        except ValueError:
            return Q(account__customer__in=matching_customers(term))
        return Q(pk=key) | Q(order_id=key) | Q(account_id__in=keys_of_customers(term))

    @admin.display(description="Time")
    def when(self, hold: Hold) -> Text:
        return moment(hold.created_at)

    @admin.display(description="Customer")
    def customer_named(self, hold: Hold) -> Text:
        return customer_link(hold.account.customer)

    @admin.display(description="Amount")
    def held_amount(self, hold: Hold) -> Text:
        return amount(hold.amount_minor)

    @admin.display(description="State")
    def state(self, hold: Hold) -> Text:
        return badge(hold.status, "info" if hold.status == Hold.Status.ACTIVE else "plain")

    @admin.display(description="Order")
    def order(self, hold: Hold) -> Text:
        return order_link(hold.order_id)

    @admin.display(description="Closed")
    def closed(self, hold: Hold) -> Text:
        return moment(hold.closed_at)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Customer", self.customer_named(record))
        yield Fact("Amount", amount(record.amount_minor))
        yield Fact("State", self.state(record))
        yield Fact("Order", order_link(record.order_id))
        yield Fact("Held since", moment(record.created_at))
        yield Fact("Closed", moment(record.closed_at))
        yield Fact("Hold id", code(record.pk))
