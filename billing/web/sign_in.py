"""The sign-in pages of customers: an address, then the mailed code; or the OpenID Connect provider."""

import secrets
import time
from typing import Any

from allauth.usersessions.models import UserSession
from django import forms
from django.conf import settings
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from billing.actor import CUSTOMER
from billing.errors import DomainError, ProviderRefused
from billing.models import User
from billing.oidc import authorization_url, check_configured, is_configured, redeem_code
from billing.text import MAX_EMAIL_LENGTH, as_sentence
from billing.use_cases.assign_role import role_of
from billing.use_cases.identity.passwords import has_second_factor, require_second_factor
from billing.use_cases.identity.sign_in.complete_sign_in import complete_sign_in
from billing.use_cases.identity.sign_in.sign_in_codes import CODE_MINUTES, request_code
from billing.use_cases.identity.sign_in.sign_in_with_code import prove_by_code
from billing.use_cases.identity.sign_in.sign_in_with_provider import prove_by_provider
from billing.web.adapters import page_actor

_ADDRESS, _NEXT, _STATE = "sign_in_address", "sign_in_next", "sign_in_state"
# The user who has proved an address, and when, while the second factor is asked for.
_PROVED = "sign_in_proved"
SECOND_FACTOR_SECONDS = 5 * 60
_BACKEND = "django.contrib.auth.backends.ModelBackend"


class AddressForm(forms.Form):
    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=MAX_EMAIL_LENGTH,
        widget=forms.EmailInput({"autofocus": True}),
    )


class CodeForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=20,
        widget=forms.TextInput({"autofocus": True, "autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class SecondFactorForm(forms.Form):
    otp = forms.CharField(
        label=gettext_lazy("Code of your authenticator app"),
        max_length=20,
        widget=forms.TextInput({"autofocus": True, "autocomplete": "one-time-code"}),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Asks for the address and mails a code to it."""
    form = AddressForm(request.POST or None)
    if request.method != "POST":
        request.session[_NEXT] = request.GET.get("next", "")
    elif form.is_valid():
        try:
            request.session[_ADDRESS] = request_code(email=form.cleaned_data["email"], by=page_actor(request))
            return HttpResponseRedirect(reverse("account_code"))
        except DomainError as error:
            form.add_error(None, as_sentence(error.text))
    return _page(request, "account/sign_in.html", form=form, with_provider=is_configured())


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def enter_code(request: HttpRequest) -> HttpResponse:
    """Signs in with the code that was mailed."""
    address = request.session.get(_ADDRESS)
    if not address:
        return HttpResponseRedirect(reverse("account_login"))
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = prove_by_code(email=address, code=form.cleaned_data["code"], by=page_actor(request))
        except DomainError as error:
            form.add_error(None, as_sentence(error.text))
        else:
            if role_of(user) == CUSTOMER:
                return _enter_or_ask(request, user)
            form.add_error(None, gettext("Members of staff sign in to the console, with a password."))
    return _page(request, "account/code.html", form=form, address=address, minutes=CODE_MINUTES)


@never_cache
@require_safe
def provider_start(request: HttpRequest) -> HttpResponse:
    """Sends the visitor to the provider."""
    try:
        check_configured()
        request.session[_STATE] = secrets.token_urlsafe(16)
        return HttpResponseRedirect(authorization_url(redirect_uri=_callback(request), state=request.session[_STATE]))
    except DomainError as error:
        return _page(request, "account/refused.html", status=error.status, problem=as_sentence(error.text))


@never_cache
@require_safe
def provider_callback(request: HttpRequest) -> HttpResponse:
    """Signs in the visitor who comes back from the provider."""
    state = request.session.pop(_STATE, "")
    try:
        check_configured()
        # Only the browser that was sent there may come back. A link with another person's code signs nobody in.
        if not state or not constant_time_compare(state, request.GET.get("state", "")):
            raise ProviderRefused
        identity = redeem_code(code=request.GET.get("code", ""), redirect_uri=_callback(request))
        user = prove_by_provider(identity, by=page_actor(request))
    except DomainError as error:
        return _page(request, "account/refused.html", status=error.status, problem=as_sentence(error.text))
    # The provider asks for a second factor of its own, or does not.
    return _enter(request, user, method="provider")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def enter_second_factor(request: HttpRequest) -> HttpResponse:
    """Signs in a customer, who has proved an address, with the second factor."""
    proved: tuple[int, int] = request.session.get(_PROVED) or (0, 0)
    user_id, at = proved
    user = (
        User.objects.filter(pk=user_id, is_active=True).first() if time.time() - at < SECOND_FACTOR_SECONDS else None
    )
    if user is None:
        return HttpResponseRedirect(reverse("account_login"))
    form = SecondFactorForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            require_second_factor(user, form.cleaned_data["otp"], by=page_actor(request))
            return _enter(request, user, method="code")
        except DomainError as error:
            form.add_error(None, as_sentence(error.text))
    return _page(request, "account/second_factor.html", form=form)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends this session of the pages."""
    if request.method == "POST":
        logout(request)
        return HttpResponseRedirect("/")
    return _page(request, "account/sign_out.html")


def _enter_or_ask(request: HttpRequest, user: User) -> HttpResponse:
    """Signs in the customer whose code was right, or asks one who has a second factor for it first."""
    if has_second_factor(user):
        request.session[_PROVED] = [user.pk, int(time.time())]
        return HttpResponseRedirect(reverse("account_second_factor"))
    return _enter(request, user, method="code")


def _enter(request: HttpRequest, user: User, *, method: str) -> HttpResponse:
    target = request.session.get(_NEXT, "")
    complete_sign_in(user=user, method=method, by=page_actor(request))
    login(request, user, backend=_BACKEND)
    UserSession.objects.create_from_request(request)
    for name in (_ADDRESS, _NEXT, _PROVED):
        request.session.pop(name, None)
    is_own = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(target if target and is_own else "/")


def _callback(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("account_provider_callback"))


def _page(request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
    return render(request, template, {"sovereign": settings.SOVEREIGN_NAME, **context}, status=status)
