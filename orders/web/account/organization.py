"""The page of one organization: its subscription, members and invoices, and what its people may do with them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from billing.actor import Actor
from billing.errors import DomainError, OrganizationNotFound, SubscriptionNotFound
from billing.models import Invoice, Organization, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.organization_roles import ROLE_NAMES, Act, OrganizationRole, may
from billing.queries import invoices_of, members_of, subscription_of
from billing.text import MAX_EMAIL_LENGTH, as_sentence
from billing.use_cases.organizations.authorize_act import authorize_act
from billing.use_cases.organizations.change_details import change_details
from billing.use_cases.organizations.remove_member import remove_member
from orders.models import AddOn, App, Plan
from orders.queries.items import item_names
from orders.queries.orders import end_of_grace, find_open_order
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.organizations.invite_member import invite_member
from orders.use_cases.payments.open_portal import open_portal
from orders.use_cases.subscriptions.cancel_subscription import CancelAt, cancel_subscription, resume_subscription
from orders.web.account.orders import describe_order
from orders.web.shop.basket import ShopBasket, keep_basket
from orders.web.shop.summary import join_names, money
from orders.web.vat_number import VatNumberField
from orders.web.visitor import sign_in_first, signed_in_actor

MAX_INVOICES_SHOWN = 24


class InvitationForm(forms.Form):
    """The person to invite, and the role in the organization."""

    email = forms.EmailField(label=gettext_lazy("E-mail address"), max_length=MAX_EMAIL_LENGTH)
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        choices=[(role.value, ROLE_NAMES[role]) for role in ROLE_NAMES if role != OrganizationRole.OWNER],
        initial=OrganizationRole.MEMBER,
    )


class DetailsForm(forms.Form):
    """The VAT number that stands on the organization's invoices."""

    vat_number = VatNumberField()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    id: UUID
    email: str
    role: Any
    is_invited: bool
    is_owner: bool


@never_cache
@require_safe
def organization_page(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Shows an organization to its owner and members, each as much as the role allows."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-organization", organization_id)
    try:
        organization: Any = authorize_act(organization_id=organization_id, by=visitor, act=Act.READ)
    except OrganizationNotFound as error:
        raise Http404 from error
    is_owner = organization.customer.user_id == visitor.user_id
    role = OrganizationRole.OWNER if is_owner else OrganizationRole(organization.role)
    context = {
        "visitor": visitor,
        "organization": organization,
        "address": f"{organization.slug}.{settings.SOVEREIGN_DOMAIN}",
        "is_owner": is_owner,
        "role": ROLE_NAMES[role],
        "apps": join_names(item_names(App, organization.apps)),
        "members": [_describe_member(each) for each in members_of(organization)],
        "invitation": InvitationForm() if may(role, Act.CHANGE_MEMBERS) else None,
        "details": DetailsForm(initial={"vat_number": organization.vat_number}) if may(role, Act.RENAME) else None,
        "invoices": _describe_invoices(organization) if may(role, Act.READ_INVOICES) else [],
        **_describe_subscription(organization, is_owner=is_owner),
    }
    return render(request, "account_pages/organization.html", context)


@never_cache
@require_POST
def change_plan(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Puts what the organization has into the basket, and leads to the plans."""

    def start(by: Actor) -> HttpResponse:
        organization = authorize_act(organization_id=organization_id, by=by, act=Act.PAY)
        keep_basket(request, _basket_of(organization))
        return HttpResponseRedirect(reverse("shop"))

    return _do(request, organization_id, start)


@never_cache
@require_POST
def cancel(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Cancels the subscription at the end of the paid month, or now."""
    at = CancelAt.NOW if request.POST.get("at") == CancelAt.NOW else CancelAt.PERIOD_END

    def end(by: Actor) -> None:
        cancel_subscription(organization_id=organization_id, at=at, by=by)
        messages.success(request, _("The subscription is cancelled."))

    return _do(request, organization_id, end)


@never_cache
@require_POST
def resume(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Takes a cancellation at the end of the month back."""

    def go_on(by: Actor) -> None:
        resume_subscription(organization_id=organization_id, by=by)
        messages.success(request, _("The subscription goes on."))

    return _do(request, organization_id, go_on)


@never_cache
@require_POST
def portal(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Leads to Stripe's billing portal, which leads back here."""
    back = request.build_absolute_uri(reverse("account-organization", args=[organization_id]))

    def open_page(by: Actor) -> HttpResponse:
        return HttpResponseRedirect(open_portal(organization_id=organization_id, by=by, return_url=back))

    return _do(request, organization_id, open_page)


@never_cache
@require_POST
def invite(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Invites a member."""
    form = InvitationForm(request.POST)

    def send(by: Actor) -> None:
        if not form.is_valid():
            messages.warning(request, _("Enter an e-mail address and choose a role."))
            return
        role = OrganizationRole(form.cleaned_data["role"])
        invite_member(organization_id=organization_id, email=form.cleaned_data["email"], role=role, by=by)
        messages.success(request, _("%(email)s is invited.") % {"email": form.cleaned_data["email"]})

    return _do(request, organization_id, send)


@never_cache
@require_POST
def change_vat_number(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Changes the VAT number that stands on later invoices."""
    form = DetailsForm(request.POST)

    def change(by: Actor) -> None:
        if not form.is_valid():
            messages.warning(request, str(form.errors["vat_number"][0]))
            return
        number = form.cleaned_data["vat_number"]
        change_details(organization_id=organization_id, vat_number=number, by=by)
        messages.success(
            request,
            _("Saved. It stands on the invoices from now on.")
            if number
            else _("Removed. The invoices from now on have none."),
        )

    return _do(request, organization_id, change)


@never_cache
@require_POST
def remove(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Removes a member, or withdraws an invitation."""

    def take_out(by: Actor) -> None:
        remove_member(organization_id=organization_id, member=request.POST.get("member", ""), by=by)
        messages.success(request, _("The member was removed."))

    return _do(request, organization_id, take_out)


@never_cache
@require_POST
def delete(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Deletes the organization, once its short name is typed."""

    def remove_whole(by: Actor) -> HttpResponse | None:
        organization = authorize_act(organization_id=organization_id, by=by, act=Act.DELETE)
        if request.POST.get("slug", "").strip().lower() != organization.slug:
            messages.warning(request, _("Type %(slug)s to delete this organization.") % {"slug": organization.slug})
            return None
        delete_organization(organization_id=organization_id, by=by)
        messages.success(request, _("%(name)s is deleted.") % {"name": organization.name})
        return HttpResponseRedirect(reverse("account"))

    return _do(request, organization_id, remove_whole)


def _do(request: HttpRequest, organization_id: UUID, act: Callable[[Actor], HttpResponse | None]) -> HttpResponse:
    """Runs the act for the visitor, and leads back to the organization's page with the result or the refusal."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-organization", organization_id)
    try:
        answer = act(visitor)
    except OrganizationNotFound as error:
        raise Http404 from error
    except DomainError as error:
        messages.warning(request, as_sentence(error.text))
        answer = None
    return answer or HttpResponseRedirect(reverse("account-organization", args=[organization_id]))


def _basket_of(organization: Organization) -> ShopBasket:
    def slugs(kind: Any, ids: list[str]) -> tuple[str, ...]:
        return tuple(kind.objects.filter(pk__in=ids).values_list("slug", flat=True)) if ids else ()

    plan = slugs(Plan, [str(organization.plan_id)] if organization.plan_id else [])
    return ShopBasket(
        organization=str(organization.id),
        plan=plan[0] if plan else "",
        apps=slugs(App, organization.apps),
        addons=slugs(AddOn, organization.addons),
    )


def _describe_subscription(organization: Organization, *, is_owner: bool) -> dict[str, Any]:
    try:
        subscription = subscription_of(organization_id=organization.id)
    except SubscriptionNotFound:
        return {"subscription": None}
    waiting = find_open_order(organization_id=organization.id) if is_owner else None
    is_ended = subscription.status in ENDED_STATUSES
    return {
        "subscription": subscription,
        "is_ended": is_ended,
        "is_past_due": subscription.status == Subscription.Status.PAST_DUE,
        "grace_ends_at": end_of_grace(subscription),
        "price": money(subscription.amount_minor),
        "items": join_names(
            [*item_names(Plan, [str(subscription.plan_id)]), *item_names(AddOn, subscription.addon_ids)]
        ),
        "waiting": describe_order(waiting) if waiting else None,
    }


def _describe_member(member: Any) -> Member:
    return Member(
        id=member.id,
        email=member.email,
        role=ROLE_NAMES[OrganizationRole(member.role)],
        is_invited=member.customer_id is None,
        is_owner=member.role == OrganizationRole.OWNER,
    )


def _describe_invoices(organization: Organization) -> list[dict[str, Any]]:
    words = {
        Invoice.Status.PAID: pgettext("invoice", "paid"),
        Invoice.Status.OPEN: pgettext("invoice", "open"),
        Invoice.Status.VOID: pgettext("invoice", "void"),
    }
    return [
        {
            "period_start": each.period_start,
            "period_end": each.period_end,
            "amount": money(each.amount_minor),
            "status": words.get(Invoice.Status(each.status), each.status),
            "pdf_url": each.pdf_url,
        }
        for each in invoices_of(organization_id=organization.id)[:MAX_INVOICES_SHOWN]
    ]
