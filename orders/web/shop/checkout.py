"""The fourth step: the organization to buy for, its address, and a voucher."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing.actor import Actor
from billing.errors import DomainError
from billing.models import Organization
from billing.models.organizations.organization import SLUG_MATCH
from billing.queries import owned_organizations, slug_is_free
from billing.text import has_visible_text
from orders.web.redeem import Voucher, find_offer, refusal_text
from orders.web.shop.basket import ShopBasket, chosen_items, keep_basket, read_basket
from orders.web.shop.offer import Offer
from orders.web.shop.steps import is_live, step_page
from orders.web.shop.summary import summarize
from orders.web.vat_number import VatNumberField
from orders.web.visitor import signed_in_actor
from promos.queries import MAX_CODE_INPUT_LENGTH

MAX_ORGANIZATIONS_SHOWN = 50
NEW = "new"
_VOUCHER = "shop_voucher"


class CheckoutForm(forms.Form):
    """`organization` is the id of one of the customer's, or `new` for one with this name and address."""

    name = forms.CharField(
        label=gettext_lazy("Name of the organization"),
        max_length=200,
        required=False,
        widget=forms.TextInput({"autocomplete": "organization"}),
    )
    slug = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=31,
        required=False,
        widget=forms.TextInput(
            {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "dir": "ltr"}
        ),
    )
    vat_number = VatNumberField()
    code = forms.CharField(
        label=gettext_lazy("Voucher code"),
        max_length=MAX_CODE_INPUT_LENGTH,
        required=False,
        widget=forms.TextInput(
            {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "dir": "ltr"}
        ),
    )

    def __init__(self, *args: Any, organizations: list[Organization], **options: Any) -> None:
        super().__init__(*args, **options)
        self.organizations = organizations
        choices = [(str(each.id), f"{each.name} ({each.slug})") for each in organizations]
        self.fields["organization"] = forms.ChoiceField(
            required=False, choices=[*choices, (NEW, _("A new organization"))], widget=forms.RadioSelect
        )
        for name in ("slug", "code"):
            self.fields[name].widget.attrs["aria-describedby"] = f"{name}-answer"

    @property
    def is_for_new(self) -> bool:
        return self["organization"].value() in (None, "", NEW)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("organization") in (None, "", NEW) and "organization" not in self.errors:
            cleaned["organization"] = ""
            name = cleaned.get("name", "")
            cleaned["slug"] = cleaned.get("slug", "").lower() or suggest_slug(name)
            if not name and "name" not in self.errors:
                self.add_error("name", _("Enter a name."))
            if "slug" not in self.errors and (problem := problem_of_slug(cleaned["slug"])):
                self.add_error("slug", problem)
        return cleaned


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to what stands in a field: good news or bad."""

    text: str
    is_good: bool


def suggest_slug(name: str) -> str:
    """Returns an address made of the name, or an empty one where the name has too few Latin letters."""
    slug = slugify(name)[:31].strip("-")
    return slug if SLUG_MATCH.search(slug) else ""


def problem_of_slug(slug: str) -> str:
    """Returns why no new organization can have this address; empty where one can. One query at most."""
    if not slug:
        return _("Enter an address.")
    if not SLUG_MATCH.search(slug):
        return _("Use 3 to 31 of the letters a to z, digits and dashes, beginning with a letter.")
    return "" if slug_is_free(slug) else _("This address is taken. Choose another one.")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def checkout_step(request: HttpRequest) -> HttpResponse:
    """Asks for the organization and a voucher, and answers whether the address is free and the voucher good."""
    offer, basket, visitor = Offer(), read_basket(request), signed_in_actor(request)
    chosen = chosen_items(basket, offer)
    if chosen.plan is None:
        return HttpResponseRedirect(reverse("shop"))
    owned = list(owned_organizations(user_id=visitor.user_id)[:MAX_ORGANIZATIONS_SHOWN]) if visitor else []
    if request.method == "POST":
        form = CheckoutForm(request.POST, organizations=owned)
        is_valid = form.is_valid()
        if is_live(request) or "check" in request.POST:
            basket = _take_over(basket, request.POST, owned)
        elif is_valid:
            basket = basket.with_choice(**form.cleaned_data)
        keep_basket(request, basket)
        if not is_live(request):
            if "check" in request.POST:
                return HttpResponseRedirect(reverse("shop-checkout"))
            if is_valid:
                return HttpResponseRedirect(reverse("shop-review"))
    else:
        given = {"organization": basket.organization or (NEW if owned else ""), "name": basket.name}
        given |= {name: getattr(basket, name) for name in ("slug", "vat_number", "code")}
        form = CheckoutForm(initial=given, organizations=owned)
    return step_page(
        request,
        "checkout",
        chosen=chosen,
        visitor=visitor,
        summary=summarize(chosen, offer),
        form=form,
        domain=settings.SOVEREIGN_DOMAIN,
        address=_answer_address(basket, form, is_live=is_live(request)),
        voucher=answer_code(request, str(form["code"].value() or ""), visitor),
    )


def _take_over(basket: ShopBasket, typed: Any, owned: list[Organization]) -> ShopBasket:
    """Keeps what was typed so far, right or wrong."""
    organization = typed.get("organization", "")
    return basket.with_choice(
        organization=organization if organization in [str(each.id) for each in owned] else "",
        name=typed.get("name", "")[:200],
        slug=typed.get("slug", "").strip().lower()[:31],
        vat_number=typed.get("vat_number", "").strip()[:60],
        code=typed.get("code", "").strip()[:MAX_CODE_INPUT_LENGTH],
    )


def _answer_address(basket: ShopBasket, form: CheckoutForm, *, is_live: bool) -> Answer | None:
    """Answers whether the typed or suggested address is free; None where there is none.

    Beside the form that was sent it is the error. The customer's next key replaces it.
    """
    if "slug" in form.errors and not is_live:
        return Answer(text=" ".join(map(str, form.errors["slug"])), is_good=False)
    slug = basket.slug or suggest_slug(basket.name)
    if not form.is_for_new or not slug:
        return None
    problem = problem_of_slug(slug)
    address = f"{slug}.{settings.SOVEREIGN_DOMAIN}"
    return Answer(text=problem or _("%(address)s is free.") % {"address": address}, is_good=not problem)


def answer_code(request: HttpRequest, text: str, visitor: Actor | None) -> Answer | None:
    """Answers what the code grants, or why it cannot be redeemed; None without a code."""
    if not has_visible_text(text):
        return None
    kept = request.session.get(_VOUCHER, {})
    if is_live(request) and kept.get("code") == text:
        # The customer types in another field. Looking the code up again would count against the limit of previews.
        return Answer(text=kept["text"], is_good=kept["is_good"])
    try:
        offer: Voucher = find_offer(request, text, visitor)
    except DomainError as error:
        answer = Answer(text=refusal_text(error), is_good=False)
    else:
        granted = _("%(credit)s of credit.") % {"credit": offer.credit}
        answer = Answer(text=" ".join((granted, *offer.conditions)), is_good=True)
    request.session[_VOUCHER] = {"code": text, "text": answer.text, "is_good": answer.is_good}
    return answer
