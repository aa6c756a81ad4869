"""The page on which a customer deletes the account: what stands in its way, what stays, and a mailed code."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from billing.actor import Actor
from billing.errors import DomainError
from billing.models import Customer, User
from billing.text import as_sentence
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.identity.passwords import has_second_factor
from billing.use_cases.identity.sign_in.sign_in_codes import CODE_MINUTES, request_code
from orders.use_cases.personal.erase_customer import erase_own_account, plan_erasure
from orders.web.shop.summary import money
from orders.web.visitor import sign_in_first, signed_in_actor


class DeletionForm(forms.Form):
    """The mailed code, the second factor where there is one, and the consent to lose what credit is left."""

    code = forms.CharField(
        label=gettext_lazy("Code of the mail"),
        max_length=20,
        widget=forms.TextInput({"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    otp = forms.CharField(
        label=gettext_lazy("Code of your authenticator app"),
        max_length=20,
        required=False,
        widget=forms.TextInput({"autocomplete": "one-time-code"}),
    )
    lose_credit = forms.BooleanField(required=False)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def deletion_page(request: HttpRequest) -> HttpResponse:
    """Says what a deletion does, and deletes the account once the code is right."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-delete")
    form = DeletionForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            erase_own_account(**form.cleaned_data, by=visitor)
        except DomainError as error:
            form.add_error(None, as_sentence(error.text))
        else:
            logout(request)
            messages.success(request, _("Your account is deleted. A mail confirms it."))
            return HttpResponseRedirect(reverse("shop"))
    return render(request, "account_pages/delete.html", _describe(request, visitor, form))


@never_cache
@require_POST
def send_deletion_code(request: HttpRequest) -> HttpResponse:
    """Mails a code to the visitor's own address."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-delete")
    try:
        request_code(email=cast(User, request.user).email, by=visitor)
        mailed = ngettext(
            "We have mailed you a code. It is valid for %d minute.",
            "We have mailed you a code. It is valid for %d minutes.",
            CODE_MINUTES,
        )
        messages.success(request, mailed % CODE_MINUTES)
    except DomainError as error:
        messages.warning(request, as_sentence(error.text))
    return HttpResponseRedirect(reverse("account-delete"))


def _describe(request: HttpRequest, visitor: Actor, form: DeletionForm) -> dict[str, Any]:
    customer: Customer = ensure_customer(user_id=visitor.user_id, email=visitor.email)
    plan = plan_erasure(customer)
    return {
        "visitor": visitor,
        "form": form,
        "obstacles": [as_sentence(each.text) for each in plan.obstacles],
        "organizations": plan.organizations,
        "credit": money(plan.credit_minor) if plan.credit_minor else "",
        "needs_otp": has_second_factor(cast(User, request.user)),
    }
