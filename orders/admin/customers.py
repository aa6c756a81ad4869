"""The pages of customers, on which a superadmin merges two customers who are one person, or erases one who asks."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from billing.actor import MAX_USER_ID_LENGTH
from billing.admin.console.base import View
from billing.admin.console.display import Fact, Panel, Tool, amount, change_url
from billing.admin.console.forms import ConsoleForm, reason_field, show_refusals_on
from billing.admin.console.pages import form_page
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.admin.customers import CustomerAdmin
from billing.admin.ledger import CORRECT_CREDIT_PERMISSION
from billing.language import say
from billing.locks import lock_merges
from billing.models import Customer
from billing.text import as_sentence
from orders.use_cases.customers.merge_customers import lock_both, merge_customers
from orders.use_cases.customers.plan_merge import MergePlan, find_customer, plan_merge
from orders.use_cases.personal.erase_customer import erase_customer, plan_erasure
from promos.admin.oversight.attempts import attempts_panel
from promos.models import RefusedAttempt


class ErasureForm(ConsoleForm):
    """The consent to lose what credit is left, and a reason."""

    lose_credit = forms.BooleanField(
        label="The customer loses the credit that is left", required=False, widget=UnfoldBooleanWidget()
    )
    reason = reason_field()


_FIELDS = {"customer_not_found": "into", "same_customer": "into"}


class MergeForm(ConsoleForm):
    """The customer that stays, and a reason."""

    into = forms.CharField(
        label="Merge into",
        max_length=MAX_USER_ID_LENGTH,
        help_text="The user id of the customer that stays and gets everything.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    reason = reason_field()


admin.site.unregister(Customer)


@admin.register(Customer)
class MergeableCustomerAdmin(CustomerAdmin):
    """Customers, with their refused attempts, and the page that merges one into another."""

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield from super().panels(request, record)
        if request.user.has_perm("promos.view_refusedattempt"):
            refused = RefusedAttempt.objects.filter(user_id=record.user_id)
            yield attempts_panel(refused, user_id=record.user_id)

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.merged_into_id is None and record.erased_at is None:
            yield from super().tools(request, record)
            if request.user.has_perm(CORRECT_CREDIT_PERMISSION):
                yield Tool("Merge", reverse("admin:billing_customer_merge", args=[record.pk]), "danger")
                yield Tool("Erase", reverse("admin:billing_customer_erase", args=[record.pk]), "danger")

    def links(self, record: Any) -> Iterable[Tool]:
        yield from super().links(record)
        past = reverse("admin:billing_ledgerentry_past")
        query = urlencode({"customer": record.user_id})
        yield Tool("As of a past instant", f"{past}?{query}")
        yield Tool("Explain the balance", f"{reverse('admin:billing_ledgerentry_explain')}?{query}")

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [
            *super().extra_views(),
            ("<int:customer_id>/merge/", "merge", self.merge_view),
            ("<int:customer_id>/erase/", "erase", self.erase_view),
        ]

    def erase_view(self, request: HttpRequest, customer_id: int) -> HttpResponse:
        """Asks for a reason, and erases a customer who asked for it."""
        if not request.user.has_perm(CORRECT_CREDIT_PERMISSION):
            raise PermissionDenied
        customer = Customer.objects.filter(pk=customer_id, account__isnull=False, merged_into=None).first()
        if customer is None:
            raise Http404
        here = change_url(self.model_label, customer.pk)
        form = ErasureForm(request.POST if request.method == "POST" else None)
        submission = Submission(request, f"billing_customer:erase:{customer.pk}", str(customer.erased_at))

        def erase() -> Done:
            given = form.cleaned_data
            erase_customer(
                customer_id=customer.pk, lose_credit=given["lose_credit"], why=given["reason"], by=actor_of(request)
            )
            return Done("The customer is erased. A job removes the addresses from history.", here)

        if form.is_valid() and (
            answer := submission.submit(form, lock_state=lambda: _lock_erasure(customer), effect=erase)
        ):
            return answer
        return form_page(
            self,
            request,
            title="Erase this customer",
            form=form,
            submission=submission,
            submit="Erase the customer",
            back=here,
            parent=(str(customer), here),
            facts=list(_erasure_facts(customer)),
            warning="Only at the customer's own request. It cannot be undone: the name, addresses, sign-ins, choices"
            " and memberships go. The ledger, orders, redemptions, invoices and receipts stay, under the user id.",
            danger=True,
        )

    def merge_view(self, request: HttpRequest, customer_id: int) -> HttpResponse:
        """Asks for the customer that stays and a reason, shows what moves, and merges after a confirmation."""
        if not request.user.has_perm(CORRECT_CREDIT_PERMISSION):
            raise PermissionDenied
        merged = Customer.objects.filter(pk=customer_id, account__isnull=False).first()
        if merged is None:
            raise Http404
        form = MergeForm(request.POST if request.method == "POST" else None)
        name, plan = f"billing_customer:merge:{merged.pk}", None
        submission = Submission(request, name, None)
        if form.is_valid():
            # The confirmation has a token of its own: it holds for these two customers, and for what the page shows.
            name = f"{name}:confirm:{form.cleaned_data['into']}"
            if "confirmed" in request.POST:
                if answer := _merge(request, merged, form, Submission(request, name, None)):
                    return answer
            else:
                with show_refusals_on(form, fields=_FIELDS):
                    plan = _plan(merged.user_id, form.cleaned_data["into"])
                    submission = Submission(request, name, astuple(plan))
        return self._ask_for_merge(request, merged, form, submission, plan)

    def _ask_for_merge(
        self,
        request: HttpRequest,
        merged: Customer,
        form: MergeForm,
        submission: Submission,
        plan: MergePlan | None,
    ) -> HttpResponse:
        page = change_url(self.model_label, merged.pk)
        return form_page(
            self,
            request,
            title="Confirm the merge" if plan else "Merge",
            form=form,
            submission=submission,
            submit="Merge the two customers" if plan else "Continue",
            back=page,
            parent=(str(merged), page),
            facts=list(_facts(merged, form, plan)),
            warning="This cannot be undone: the merged customer is signed out and can no longer act." if plan else "",
            danger=plan is not None,
            hidden=[("confirmed", "yes")] if plan else [],
            confirming=plan is not None,
        )


def _lock_erasure(customer: Customer) -> str:
    # Races with the customer's own deletion, which takes this lock first too.
    lock_merges()
    return str(Customer.objects.values_list("erased_at", flat=True).get(pk=customer.pk))


def _erasure_facts(customer: Customer) -> Iterable[Fact]:
    yield Fact("Customer", f"{customer} ({customer.user_id})")
    if customer.erased_at is not None:
        return
    plan = plan_erasure(customer)
    yield Fact("Credit that is left", amount(plan.credit_minor))
    for obstacle in plan.obstacles:
        yield Fact("In its way", as_sentence(obstacle.text))


def _plan(merged_user_id: str, into_user_id: str) -> MergePlan:
    return plan_merge(merged=find_customer(user_id=merged_user_id), survivor=find_customer(user_id=into_user_id))


def _merge(request: HttpRequest, merged: Customer, form: MergeForm, submission: Submission) -> HttpResponse | None:
    into, reason = form.cleaned_data["into"], form.cleaned_data["reason"]

    def lock_state() -> object:
        # Races with everything that would move more or less than the page shows.
        lock_both(merged_user_id=merged.user_id, into_user_id=into)
        return astuple(_plan(merged.user_id, into))

    def merge() -> Done:
        merge_customers(merged_user_id=merged.user_id, into_user_id=into, reason=reason, by=actor_of(request))
        survivor = find_customer(user_id=into)
        return Done(
            say("%(merged)s is merged into %(survivor)s.", merged=merged, survivor=survivor),
            change_url("billing_customer", survivor.pk),
        )

    return submission.submit(form, lock_state=lock_state, effect=merge, fields=_FIELDS)


def _facts(merged: Customer, form: MergeForm, plan: MergePlan | None) -> Iterable[Fact]:
    yield Fact("Customer that can no longer act", f"{merged} ({merged.user_id})")
    if plan is None:
        return
    survivor = find_customer(user_id=form.cleaned_data["into"])
    yield Fact("Customer that stays", f"{survivor} ({survivor.user_id})")
    yield Fact("Credit that is transferred", amount(plan.credit_minor))
    for title, values in (
        ("Organizations that move", plan.organizations),
        ("Memberships that move", plan.memberships),
        ("Live subscriptions that move", plan.subscriptions),
        ("Redeemed vouchers that move", plan.codes),
        ("Vouchers that both have redeemed, which stay", plan.kept_codes),
        ("Addresses to sign in with that move", plan.emails),
    ):
        yield Fact(title, say(", ").join(values) or say("none"))
    yield Fact("Orders that move", str(plan.orders))
    yield Fact("Invoices that move", str(plan.invoices))
    yield Fact("Provider accounts that move", str(plan.provider_accounts))
    yield Fact("Sessions that end", str(plan.sessions))
    yield Fact("Stripe customer afterwards", plan.stripe_customer_id or say("none"))
    yield Fact("Reason", form.cleaned_data["reason"])
