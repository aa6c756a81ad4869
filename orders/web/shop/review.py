"""The last step: what the order costs, what credit pays of it, and the button that places it.

Placing calls the use case of the API's checkout. The form carries the idempotency key of this view of the page, and a
hash of what the page showed. However often it is sent, there is one order; and if the basket or a price has changed
since, nothing is ordered and the page shows the change.
"""

from contextlib import nullcontext
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing.actor import Actor
from billing.errors import DomainError, SlugTaken
from billing.models import Organization
from billing.queries import owned_organizations
from billing.text import normal_vat_number
from billing.use_cases.organizations.create_organization import create_organization
from billing.use_cases.store_answer import find_answer, fingerprint
from orders.models.basket import CheckoutRequest
from orders.queries.offer import load_basket
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.checkout.quote_checkout import Quote, quote_checkout
from orders.web.redeem import refusal_text
from orders.web.shop.basket import (
    Chosen,
    ShopBasket,
    chosen_items,
    empty_basket,
    keep_basket,
    placed_orders,
    read_basket,
    remember_placed,
)
from orders.web.shop.offer import Offer
from orders.web.shop.steps import step_page
from orders.web.shop.summary import money, price_rows, summarize
from orders.web.visitor import signed_in_actor
from promos.models import RefusedAttempt
from promos.queries import find_typed_code
from promos.use_cases.attempts.record_attempt import record_attempt
from promos.use_cases.code_guessing import limit_refused_codes

_NO_ORGANIZATION = UUID(int=0)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def review_step(request: HttpRequest) -> HttpResponse:
    """Shows what the order costs and how it is paid, and places it."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': reverse('shop-review')})}")
    attempt = request.POST.get("attempt", "")
    placed = placed_orders(request).get(attempt)
    if placed:
        return HttpResponseRedirect(reverse("shop-order", args=[placed]))
    return _review_or_place(request, attempt=attempt, by=visitor)


def _review_or_place(request: HttpRequest, *, attempt: str, by: Actor) -> HttpResponse:
    offer, basket = Offer(), read_basket(request)
    chosen = chosen_items(basket, offer)
    if chosen.plan is None:
        return HttpResponseRedirect(reverse("shop"))
    if not basket.organization and not (basket.name and basket.slug):
        return HttpResponseRedirect(reverse("shop-checkout"))
    if "drop-code" in request.POST:
        keep_basket(request, basket.with_choice(code=""))
        return HttpResponseRedirect(reverse("shop-review"))
    problem = ""
    if request.method == "POST":
        if _is_key(attempt) and request.POST.get("shown") == _hash_of(basket, chosen):
            try:
                return _place(request, basket, chosen, attempt=attempt, by=by)
            except DomainError as error:
                problem = f"{_('Nothing was ordered.')} {refusal_text(error)}"
        else:
            problem = _("Your basket or a price has changed. Nothing was ordered. Check the order below.")
    return _review(request, read_basket(request), chosen, offer, by=by, problem=problem)


def _place(
    request: HttpRequest, basket: ShopBasket, chosen: Chosen, *, attempt: str, by: Actor
) -> HttpResponseRedirect:
    organization = _organization_to_buy_for(basket, chosen, key=_key_of(attempt), by=by)
    # If the order is refused, the next try is for the organization that now exists.
    keep_basket(request, basket.with_choice(organization=str(organization.id)))
    checkout = _checkout_request(basket, chosen, organization_id=organization.id, attempt=attempt)
    code = checkout.promo_code
    guarded = limit_refused_codes(code=code, act=RefusedAttempt.Act.CHECKOUT, by=by) if code else nullcontext()
    with guarded:
        placed = place_order(request=checkout, by=by)
    remember_placed(request, attempt=attempt, order_id=str(placed.order_id))
    empty_basket(request)
    if placed.paid_by_card:
        return HttpResponseRedirect(placed.session_url)
    return HttpResponseRedirect(reverse("shop-order", args=[placed.order_id]))


def _organization_to_buy_for(basket: ShopBasket, chosen: Chosen, *, key: str, by: Actor) -> Organization:
    """Returns the chosen organization, or creates it. A second try finds the one that the first created.

    Raises: OrganizationNotFound by the checkout, if it is not the caller's; SlugTaken, SlugReserved,
    TooManyOrganizations.
    """
    owned = owned_organizations(user_id=by.user_id)
    if basket.organization:
        found = owned.filter(id=basket.organization).first()
        return found or Organization(id=UUID(basket.organization))
    try:
        return create_organization(
            user_id=by.user_id,
            email=by.email,
            slug=basket.slug,
            name=basket.name,
            vat_number=basket.vat_number,
            plan_id=chosen.plan.id if chosen.plan else None,
            apps=[str(app.id) for app in chosen.apps],
            addons=[str(addon.id) for addon in chosen.addons],
        )
    except SlugTaken:
        created = owned.filter(slug=basket.slug).first()
        is_bought = created is not None and created.status != Organization.Status.PENDING
        if created is None or (is_bought and find_answer(user_id=by.user_id, key=key, now=timezone.now()) is None):
            raise
        return created


def _review(
    request: HttpRequest, basket: ShopBasket, chosen: Chosen, offer: Offer, *, by: Actor, problem: str = ""
) -> HttpResponse:
    organization: Organization | None = Organization(
        name=basket.name, slug=basket.slug, vat_number=normal_vat_number(basket.vat_number)
    )
    if basket.organization:
        organization = owned_organizations(user_id=by.user_id).filter(id=basket.organization).first()
    if organization is None:
        keep_basket(request, basket.with_choice(organization=""))
        return HttpResponseRedirect(reverse("shop-checkout"))
    checkout = _checkout_request(
        basket, chosen, organization_id=organization.id if basket.organization else _NO_ORGANIZATION, attempt=""
    )
    try:
        quote = quote_checkout(request=checkout, by=by, for_new_organization=not basket.organization)
    except DomainError as error:
        messages.warning(request, refusal_text(error))
        return HttpResponseRedirect(reverse("shop-checkout"))
    problem_of_code = quote.promo.problem if quote.promo else None
    if problem_of_code:
        record_attempt(problem_of_code, code=checkout.promo_code, act=RefusedAttempt.Act.QUOTE, by=by)
    refusal = problem_of_code or quote.refusal
    return step_page(
        request,
        "review",
        chosen=chosen,
        visitor=by,
        status=409 if problem else 200,
        summary=summarize(chosen, offer),
        organization=organization,
        domain=settings.SOVEREIGN_DOMAIN,
        problem=problem,
        refusal=refusal_text(refusal) if refusal else "",
        code_is_refused=problem_of_code is not None,
        attempt=uuid4(),
        shown=_hash_of(basket, chosen),
        **_amounts(quote),
    )


def _amounts(quote: Quote) -> dict[str, Any]:
    """Formats the amounts of the quote; one that is nothing is left out."""
    return {
        "lines": price_rows(quote.lines, quote.bundle.bundle if quote.bundle else None),
        "promo": quote.promo,
        "promo_credit": money(quote.promo.credit_minor) if quote.promo and quote.promo.credit_minor else "",
        "total": money(quote.total_minor),
        "proration": money(quote.proration_minor) if quote.proration_minor else "",
        "credit": money(quote.credit_applied_minor) if quote.credit_applied_minor else "",
        "less_credit": money(-quote.credit_applied_minor),
        "due": money(quote.amount_due_minor),
        "by_card": quote.amount_due_minor > 0,
        "left": money(quote.credit_left_minor),
        "next_month": money(quote.next_month_minor),
        "vat_rate": quote.vat.rate if quote.vat else "",
        "vat": money(quote.vat.vat_minor) if quote.vat else "",
    }


def _checkout_request(basket: ShopBasket, chosen: Chosen, *, organization_id: UUID, attempt: str) -> CheckoutRequest:
    found = find_typed_code(basket.code) if basket.code else None
    body = {
        "tenant_id": str(organization_id),
        "plan": chosen.plan.slug if chosen.plan else "",
        "apps": [app.slug for app in chosen.apps],
        "addons": [addon.slug for addon in chosen.addons],
        "bundle": chosen.bundle.slug if chosen.bundle else "",
        "promo_code": found.found_by if found else basket.code.strip().upper(),
    }
    return CheckoutRequest(
        tenant_id=organization_id,
        plan=str(body["plan"]),
        apps=tuple(body["apps"]),
        addons=tuple(body["addons"]),
        bundle=str(body["bundle"]),
        promo_code=str(body["promo_code"]),
        idempotency_key=_key_of(attempt) if attempt else "",
        fingerprint=fingerprint(body),
    )


def _hash_of(basket: ShopBasket, chosen: Chosen) -> str:
    """Returns a hash of what the page shows: the basket, and the prices of now."""
    priced = load_basket(
        plan=chosen.plan.slug if chosen.plan else "",
        apps=[app.slug for app in chosen.apps],
        addons=[addon.slug for addon in chosen.addons],
        bundle=chosen.bundle.slug if chosen.bundle else "",
    )
    return fingerprint(
        {
            "lines": [line.as_json() for line in priced.lines],
            "apps": list(priced.apps),
            "organization": basket.slug if not basket.organization else basket.organization,
            "code": basket.code,
        }
    )


def _key_of(attempt: str) -> str:
    """Returns the idempotency key of a form; clients of the API choose theirs without this prefix."""
    return f"page-{attempt}"


def _is_key(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
