"""The pages of customers. A superadmin adjusts a customer's credit, with a reason, and confirms the result first."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from billing.admin.audit import history_panel
from billing.admin.console.base import ReadOnlyAdmin, View
from billing.admin.console.display import (
    Column,
    Fact,
    Panel,
    Text,
    Tool,
    amount,
    badge,
    change_url,
    code,
    link,
    list_url,
    moment,
)
from billing.admin.console.forms import AmountField, ConsoleForm, reason_field, with_currency
from billing.admin.console.pages import form_page
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.locks import lock_account
from billing.models import Account, Customer, Hold, LedgerEntry
from billing.use_cases.proposals.credit_adjustment import CREDIT_ADJUSTMENT, adjustment_arguments
from billing.use_cases.proposals.propose import exceeds_limit, limits_of, run_or_propose

from .email_move import move_email_view
from .ledger import ENTRY_COLUMNS, PROPOSE_PERMISSION, entry_rows, order_link

_MAX_PANEL_ROWS = 20


class AdjustForm(ConsoleForm):
    """An amount and a reason."""

    amount = AmountField(
        label=with_currency("Amount"), help_text="For example, 5.250 adds credit and -5.250 takes it away."
    )
    reason = reason_field()

    def clean_amount(self) -> int:
        minor: int = self.cleaned_data["amount"]
        if minor == 0:
            raise forms.ValidationError("An adjustment of zero changes nothing.")
        return minor


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    """Customers: one row for each user id that has used the service."""

    list_display = ("who", "user", "credit_amount", "held_amount", "available_amount", "since")
    narrow_by = {"user_id": "user id"}
    search_fields = ("email",)
    search_help_text = "Beginning of the e-mail, or user id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer, Customer]:
        return Customer.objects.annotate(
            balance_minor=F("account__balance_minor"),
            held_minor=F("account__held_minor"),
            available_minor=F("account__balance_minor") - F("account__held_minor"),
        )

    def search_filter(self, term: str) -> Q:
        return Q(email__istartswith=term) | Q(user_id=term)

    @admin.display(description="Customer")
    def who(self, customer: Customer) -> Text:
        return str(customer)

    @admin.display(description="User id")
    def user(self, customer: Customer) -> Text:
        return code(customer.user_id)

    @admin.display(description="Credit")
    def credit_amount(self, customer: Any) -> Text:
        return amount(customer.balance_minor)

    @admin.display(description="Held")
    def held_amount(self, customer: Any) -> Text:
        return amount(customer.held_minor)

    @admin.display(description="Available")
    def available_amount(self, customer: Any) -> Text:
        return amount(customer.available_minor)

    @admin.display(description="Since")
    def since(self, customer: Customer) -> Text:
        return moment(customer.created_at)

    def title_of(self, record: Any) -> str:
        return str(record)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Credit", amount(record.balance_minor))
        yield Fact("Held for open payments", amount(record.held_minor))
        yield Fact("Available", amount(record.available_minor))
        yield Fact("E-mail", record.email or code(""))
        yield Fact("User id", code(record.user_id))
        yield Fact("Since", moment(record.created_at))
        if record.merged_into:
            yield Fact(
                "Merged into", link(str(record.merged_into), change_url(self.model_label, record.merged_into_id))
            )
        if record.erased_at:
            yield Fact("Erased", moment(record.erased_at))
        for merged in record.merged_customers.order_by("pk")[:_MAX_PANEL_ROWS]:
            yield Fact("Merged customer", link(merged.user_id, change_url(self.model_label, merged.pk)))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        mine = {"account__customer__user_id": record.user_id}
        entries = LedgerEntry.objects.filter(account_id=record.pk).order_by("-version")[:_MAX_PANEL_ROWS]
        yield Panel(
            title="Ledger",
            columns=ENTRY_COLUMNS,
            rows=entry_rows(entries),
            empty="This customer has no ledger entries.",
            more_title="All entries",
            more_url=list_url("billing_ledgerentry", **mine),
        )
        holds = Hold.objects.filter(account_id=record.pk, status=Hold.Status.ACTIVE).order_by("-pk")[:_MAX_PANEL_ROWS]
        yield Panel(
            title="Held now",
            columns=[Column("Since"), Column("Order"), Column("State"), Column("Amount", right=True)],
            rows=[
                (
                    moment(hold.created_at),
                    order_link(hold.order_id),
                    badge("active", "info"),
                    amount(hold.amount_minor),
                )
                for hold in holds
            ],
            empty="Nothing is held for an open payment.",
            more_title="All holds",
            more_url=list_url("billing_hold", **mine),
        )
        if request.user.has_perm("billing.view_auditentry"):
            yield history_panel(object_type="customer", object_id=str(record.pk))

    def links(self, record: Any) -> Iterable[Tool]:
        for title, model in _RELATED.items():
            yield Tool(title, list_url(model, customer__user_id=record.user_id))

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if request.user.has_perm(PROPOSE_PERMISSION):
            yield Tool("Adjust credit", reverse("admin:billing_customer_adjust", args=[record.pk]), "primary")
            yield Tool("Move e-mail", reverse("admin:billing_customer_email", args=[record.pk]))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [
            ("<int:customer_id>/adjust/", "adjust", self.adjust_view),
            ("<int:customer_id>/email/", "email", partial(move_email_view, self)),
        ]

    def adjust_view(self, request: HttpRequest, customer_id: int) -> HttpResponse:
        """Asks for an amount and a reason, shows the resulting balance, and adjusts it after a confirmation."""
        if not request.user.has_perm(PROPOSE_PERMISSION):
            raise PermissionDenied
        account = Account.objects.select_related("customer").filter(pk=customer_id).first()
        if account is None:
            raise Http404
        form = AdjustForm(request.POST if request.method == "POST" else None)
        submission = Submission(request, f"billing_customer:adjust:{account.pk}", account.version)
        if form.is_valid():
            if "confirmed" in request.POST:
                if answer := self._adjust(request, account, form, submission):
                    return answer
            elif account.available_minor + form.cleaned_data["amount"] < 0:
                form.add_error("amount", "The available credit does not cover this amount.")
        return self._ask(request, account, form, submission)

    def _adjust(
        self, request: HttpRequest, account: Account, form: AdjustForm, submission: Submission
    ) -> HttpResponse | None:
        def adjust() -> Done:
            arguments = adjustment_arguments(customer_id=account.pk, amount_minor=form.cleaned_data["amount"])
            outcome = run_or_propose(
                CREDIT_ADJUSTMENT, arguments, why=form.cleaned_data["reason"], by=actor_of(request)
            )
            return done_or_proposed(outcome, request)

        return submission.submit(
            form,
            # Races with orders. The confirmed balance must be the shown one.
            lock_state=lambda: lock_account(customer_id=account.pk).version,
            effect=adjust,
            fields={"insufficient_credit": "amount"},
        )

    def _ask(self, request: HttpRequest, account: Account, form: AdjustForm, submission: Submission) -> HttpResponse:
        page = change_url(self.model_label, account.pk)
        checked = form.is_bound and form.is_valid()
        facts = [
            Fact("Credit now", amount(account.balance_minor)),
            Fact("Held for open payments", amount(account.held_minor)),
        ]
        warning, submit = "", "Continue"
        if checked:
            change = form.cleaned_data["amount"]
            if exceeds_limit({"adjust_credit": abs(change)}, limits_of(actor_of(request).role)):
                warning, submit = "It takes effect once another member of staff has approved it.", "Propose"
            else:
                warning, submit = "The entry stays in the ledger permanently, with your name.", "Adjust the credit"
            facts += [
                Fact("Adjustment", amount(change, signed=True)),
                Fact("Credit afterwards", amount(account.balance_minor + change)),
                Fact("Reason", form.cleaned_data["reason"]),
            ]
        return form_page(
            self,
            request,
            title="Confirm the adjustment" if checked else "Adjust credit",
            form=form,
            submission=submission,
            submit=submit,
            back=page,
            parent=(str(account.customer), page),
            facts=facts,
            warning=warning,
            hidden=[("confirmed", "yes")] if checked else [],
            confirming=checked,
        )


_RELATED = {
    "Orders": "orders_order",
    "Redemptions": "promos_redemption",
    "Organizations": "billing_organization",
    "Subscriptions": "billing_subscription",
    "Invoices": "billing_invoice",
}
