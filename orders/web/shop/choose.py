"""The first three steps: a plan, apps, add-ons."""

from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from orders.models import AddOn, App, Bundle, Plan
from orders.use_cases.apps.compare_needs import fits, recommend_plan
from orders.web.shop.basket import Chosen, ShopBasket, chosen_items, keep_basket, read_basket
from orders.web.shop.offer import Offer
from orders.web.shop.steps import is_live, step_page
from orders.web.shop.summary import join_names, money, summarize
from orders.web.visitor import signed_in_actor

# As many apps as a checkout takes.
MAX_APPS = 100
MAX_SEARCH_LENGTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCard:
    plan: Plan
    price: str
    is_chosen: bool
    is_recommended: bool
    is_too_small: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AppCard:
    """`is_shown` tells whether the app matches the search; `words` is what the script searches."""

    app: App
    words: str
    industries: str
    is_chosen: bool
    is_shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleCard:
    bundle: Bundle
    apps: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOnCard:
    addon: AddOn
    price: str
    is_chosen: bool


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def plan_step(request: HttpRequest) -> HttpResponse:
    """Offers the plans. Choosing one leads to the apps, or back to the step whose button chose it."""
    offer, basket = Offer(), read_basket(request)
    if request.method == "POST":
        slug = request.POST.get("plan", "")
        if any(plan.slug == slug for plan in offer.plans):
            keep_basket(request, basket.with_choice(plan=slug))
            then = request.POST.get("then", "")
            return HttpResponseRedirect(reverse(then if then in ("shop-addons", "shop-checkout") else "shop-apps"))
        return HttpResponseRedirect(reverse("shop"))
    chosen = chosen_items(basket, offer)
    deployed = offer.with_dependencies(chosen.apps) if chosen.apps else []
    recommended = recommend_plan(offer.plans, deployed) if deployed else None
    cards = [
        PlanCard(
            plan=plan,
            price=money(offer.price_of(plan)),
            is_chosen=plan == chosen.plan,
            is_recommended=plan == recommended,
            is_too_small=bool(deployed) and not fits(plan, offer.plans, deployed),
        )
        for plan in offer.plans
    ]
    return step_page(request, "plan", chosen=chosen, visitor=signed_in_actor(request), plans=cards)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def apps_step(request: HttpRequest) -> HttpResponse:
    """Offers the apps, found by a search, a category or an industry, or together as a bundle."""
    offer, basket = Offer(), read_basket(request)
    if request.method == "POST":
        basket = _choose_apps(request, basket, offer)
        keep_basket(request, basket)
        if is_live(request):
            chosen = chosen_items(basket, offer)
            return step_page(request, "apps", chosen=chosen, visitor=None, summary=summarize(chosen, offer))
        return _after_apps(request)
    chosen = chosen_items(basket, offer)
    if chosen.plan is None:
        return HttpResponseRedirect(reverse("shop"))
    search: dict[str, Any] = {
        name: request.GET.get(name, "").strip()[:MAX_SEARCH_LENGTH] for name in ("q", "category", "industry")
    }
    cards = _app_cards(offer, chosen, **search)
    return step_page(
        request,
        "apps",
        chosen=chosen,
        visitor=signed_in_actor(request),
        summary=summarize(chosen, offer),
        apps=cards,
        shown=sum(card.is_shown for card in cards),
        bundles=_bundle_cards(offer, basket),
        industries=offer.industries,
        categories=sorted({app.category: app.local_category for app in offer.apps}.items(), key=itemgetter(1)),
        **search,
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def addons_step(request: HttpRequest) -> HttpResponse:
    """Offers the add-ons, and lists those that every plan includes."""
    offer, basket = Offer(), read_basket(request)
    if request.method == "POST":
        ticked = request.POST.getlist("addon")
        addons = tuple(each.slug for each in offer.addons if each.slug in ticked and not each.included)
        basket = basket.with_choice(addons=addons)
        keep_basket(request, basket)
        if not is_live(request):
            return HttpResponseRedirect(reverse("shop-checkout"))
    chosen = chosen_items(basket, offer)
    if chosen.plan is None:
        return HttpResponseRedirect(reverse("shop"))
    cards = [
        AddOnCard(addon=each, price=money(offer.price_of(each)), is_chosen=each in chosen.addons)
        for each in offer.addons
        if not each.included
    ]
    included = [each for each in offer.addons if each.included]
    return step_page(
        request,
        "addons",
        chosen=chosen,
        visitor=signed_in_actor(request),
        summary=summarize(chosen, offer),
        addons=cards,
        included=included,
    )


def _choose_apps(request: HttpRequest, basket: ShopBasket, offer: Offer) -> ShopBasket:
    """Adds or takes away a whole bundle, or takes over what is ticked."""
    offered = [app.slug for app in offer.apps]
    wanted = set(request.POST.getlist("app"))
    for bundle in offer.bundles:
        if request.POST.get("add-bundle") == bundle.slug:
            wanted |= set(bundle.apps)
        elif request.POST.get("remove-bundle") == bundle.slug:
            wanted -= set(bundle.apps)
    return basket.with_choice(apps=tuple(slug for slug in offered if slug in wanted)[:MAX_APPS])


def _after_apps(request: HttpRequest) -> HttpResponseRedirect:
    """Leads on, or back to the apps after a search or a bundle."""
    acts = ("search", "add-bundle", "remove-bundle")
    if not any(act in request.POST for act in acts):
        return HttpResponseRedirect(reverse("shop-addons"))
    search = {name: value for name in ("q", "category", "industry") if (value := request.POST.get(name, ""))}
    return HttpResponseRedirect(f"{reverse('shop-apps')}{'?' if search else ''}{urlencode(search)}")


def _app_cards(offer: Offer, chosen: Chosen, *, q: str, category: str, industry: str) -> list[AppCard]:
    terms = q.casefold().split()
    cards = []
    for app in offer.apps:
        # A customer may search in either language.
        texts = (app.name, app.name_ar, app.tagline, app.local_tagline, app.category, app.local_category)
        words = " ".join(dict.fromkeys(texts)).casefold()
        industries = [each.slug for each in offer.industries if app.slug in each.suggested_apps]
        is_shown = (
            all(term in words for term in terms)
            and category in ("", app.category)
            and (not industry or industry in industries)
        )
        cards.append(
            AppCard(
                app=app,
                words=words,
                industries=" ".join(industries),
                is_chosen=app in chosen.apps,
                is_shown=is_shown,
            )
        )
    return cards


def _bundle_cards(offer: Offer, basket: ShopBasket) -> list[BundleCard]:
    names = {app.slug: app.local_name for app in offer.apps}
    return [
        BundleCard(
            bundle=bundle,
            apps=join_names(names[slug] for slug in bundle.apps if slug in names),
            is_chosen=all(slug in basket.apps for slug in bundle.apps if slug in names),
        )
        for bundle in offer.bundles
    ]
