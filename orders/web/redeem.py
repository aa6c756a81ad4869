"""The page that redeems a voucher: a printed card's QR code opens it with the code in the address."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing.actor import Actor, anonymous_actor
from billing.api.access.client_address import client_address
from billing.errors import DomainError
from billing.models import Customer
from billing.text import as_sentence
from billing.use_cases.count_attempt import PREVIEWS, count_attempt_of_networks, read_limit
from billing.use_cases.store_answer import fingerprint
from orders.use_cases.top_up import top_up
from orders.web.shop.basket import keep_basket, read_basket
from orders.web.shop.offer import Offer
from orders.web.shop.summary import money
from orders.web.visitor import signed_in_actor
from promos.errors import PromoNotFound, PromoProblem
from promos.models import PromoCode, RefusedAttempt
from promos.models.credit_life import CreditLife
from promos.queries import MAX_CODE_INPUT_LENGTH, find_typed_code
from promos.use_cases.code_guessing import limit_refused_codes
from promos.use_cases.preview_code import preview_code
from promos.use_cases.restrictions.describe_restrictions import describe_to_customers
from promos.use_cases.restrictions.find_broken_restriction import find_broken_restriction


class CodeForm(forms.Form):
    """`attempt` is the idempotency key: however often the form is sent, it redeems once."""

    code = forms.CharField(
        label=gettext_lazy("Voucher code"),
        max_length=MAX_CODE_INPUT_LENGTH,
        widget=forms.TextInput(
            {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "dir": "ltr"}
        ),
    )
    attempt = forms.UUIDField(widget=forms.HiddenInput, required=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """A voucher as the page shows it before it is redeemed. `no_top_up` says why it needs an order, or is refused."""

    code: str
    credit: str
    buys: list[str]
    description: str
    expires_at: datetime | None
    credit_life: str
    conditions: tuple[str, ...]
    no_top_up: str


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def redeem_page(request: HttpRequest) -> HttpResponse:
    """Shows what a code grants, and adds its credit to the balance of a signed-in customer."""
    visitor = signed_in_actor(request)
    if request.method == "POST":
        return _redeem(request, visitor)
    if not request.GET.get("code", "").strip():
        return _page(request, form=CodeForm(), visitor=visitor)
    form = CodeForm({"code": request.GET["code"], "attempt": str(uuid4())})
    if not form.is_valid():
        return _page(request, form=form, visitor=visitor)
    try:
        offer = find_offer(request, form.cleaned_data["code"], visitor)
    except DomainError as error:
        return _refused(request, error, form=form, visitor=visitor)
    return _page(request, form=form, visitor=visitor, offer=offer)


def find_offer(request: HttpRequest, text: str, visitor: Actor | None) -> Voucher:
    """Looks the code up. Raises: a PromoProblem, TooManyAttempts past the limit of the public preview."""
    by = visitor or anonymous_actor(channel="page", address=client_address(request))
    count_attempt_of_networks(read_limit(*PREVIEWS), by.address)
    found = find_typed_code(text)
    problem = preview_code(found, code=found.found_by if found else text, by=by)
    if found is None or problem is not None:
        raise problem or PromoNotFound
    return Voucher(
        code=found.found_by,
        credit=money(found.credit_minor),
        buys=_describe_what_it_buys(found),
        description=found.description,
        expires_at=min(filter(None, (found.expires_at, found.campaign.ends_at)), default=None),
        credit_life=_describe_credit_life(found.credit_life),
        conditions=tuple(describe_to_customers(found.restrictions, found.campaign.restrictions)),
        no_top_up=_find_refusal_of_top_up(found, visitor),
    )


def _describe_what_it_buys(found: PromoCode) -> list[str]:
    """Says how many months of each plan the credit pays, of the plans that the voucher is for."""
    offer = Offer()
    limits = [each["plans"] for each in (found.restrictions, found.campaign.restrictions) if each and "plans" in each]
    plans = [plan for plan in offer.plans if all(str(plan.id) in ids for ids in limits)]
    months = {plan: found.credit_minor // price for plan in plans if (price := offer.price_of(plan))}
    return [
        ngettext("%(months)d month of plan %(plan)s", "%(months)d months of plan %(plan)s", number)
        % {"months": number, "plan": plan.local_name}
        for plan, number in months.items()
        if number
    ]


def _describe_credit_life(life: CreditLife) -> str:
    """Returns how long the credit is valid, in a sentence, or nothing for credit that does not expire."""
    sentences = []
    if life.credit_days is not None:
        valid = ngettext(
            "The credit is valid for %(days)d day after you redeem the voucher.",
            "The credit is valid for %(days)d days after you redeem the voucher.",
            life.credit_days,
        )
        sentences.append(valid % {"days": life.credit_days})
    if life.credit_expires_at is not None:
        until = date_format(timezone.localtime(life.credit_expires_at), "ZONED_MOMENT")
        if sentences:
            sentences.append(gettext("It expires on %(until)s at the latest.") % {"until": until})
        else:
            sentences.append(gettext("The credit is valid until %(until)s.") % {"until": until})
    return " ".join(sentences)


def _find_refusal_of_top_up(found: PromoCode, visitor: Actor | None) -> str:
    """Returns why a restriction refuses the code without an order, or nothing. No query for an unrestricted code."""
    if not found.restricted:
        return ""
    customers = Customer.objects.filter(user_id=visitor.user_id).values_list("id", flat=True) if visitor else ()
    broken = find_broken_restriction(
        found,
        customer_id=next(iter(customers), None),
        user_id=visitor.user_id if visitor else None,
        email=visitor.email if visitor else "",
        order=None,
        now=timezone.now(),
    )
    return as_sentence(broken.reason) if broken else ""


def _redeem(request: HttpRequest, visitor: Actor | None) -> HttpResponse:
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _page(request, form=form, visitor=visitor)
    text = form.cleaned_data["code"]
    if "shop" in request.POST:
        keep_basket(request, read_basket(request).with_choice(code=text))
        return HttpResponseRedirect(reverse("shop"))
    if visitor is None:
        back = f"{reverse('redeem')}?{urlencode({'code': text})}"
        return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': back})}")
    try:
        with limit_refused_codes(code=text, act=RefusedAttempt.Act.REDEMPTION, by=visitor):
            found = find_typed_code(text)
            code = found.found_by if found else text
            redeemed = top_up(
                code=code,
                by=visitor,
                idempotency_key=str(form.cleaned_data["attempt"] or uuid4()),
                fingerprint=fingerprint({"top_up": code}),
            )
    except DomainError as error:
        return _refused(request, error, form=form, visitor=visitor)
    added = gettext("%(credit)s was added to your balance by the voucher %(code)s.")
    paid = gettext("It paid the month that was due.") if redeemed.paid_invoices else ""
    values = {"credit": money(redeemed.credit_minor), "code": redeemed.code}
    messages.success(request, f"{added % values} {paid}".rstrip())
    return HttpResponseRedirect(reverse("account"))


def refusal_text(error: DomainError) -> str:
    """Writes a refusal in the words of a page."""
    if isinstance(error, PromoProblem):
        return as_sentence(gettext("this voucher cannot be redeemed: %(reason)s") % {"reason": error.reason})
    return as_sentence(error.text)


def _refused(request: HttpRequest, error: DomainError, *, form: CodeForm, visitor: Actor | None) -> HttpResponse:
    """Shows the refusal at the field, in the words of a page."""
    form.add_error("code", refusal_text(error))
    response = _page(request, form=form, visitor=visitor)
    if error.retry_after is not None:
        response.status_code, response.headers["Retry-After"] = error.status, str(error.retry_after)
    return response


def _page(request: HttpRequest, **context: Any) -> HttpResponse:
    return render(request, "customer/redeem.html", {"sovereign": settings.SOVEREIGN_NAME, **context})
