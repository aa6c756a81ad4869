"""Signing in to the console, and staff's own passwords: limited, with a second factor, and recorded."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from billing.actor import anonymous_actor
from billing.admin.console.forms import TranslatedForm
from billing.admin.console.request_actor import actor_of, staff_of
from billing.errors import DomainError, WrongPassword
from billing.text import as_sentence
from billing.use_cases.identity.change_password import record_password_change
from billing.use_cases.identity.passwords import check_staff
from billing.use_cases.identity.sign_in.complete_sign_in import complete_sign_in

_change_password = admin.site.password_change


class ConsoleSignInForm(TranslatedForm, AuthenticationForm):
    """A name, a password and, if the user has enrolled an authenticator app, its code."""

    otp = forms.CharField(
        label="Code of your authenticator app",
        help_text="Only if you have set one up. A recovery code works too.",
        required=False,
        max_length=20,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = self.cleaned_data
        if not data.get("username") or not data.get("password"):
            return data
        address = self.request.META.get("REMOTE_ADDR") if self.request else None
        by = anonymous_actor(channel="admin", address=address or None)
        try:
            user = check_staff(name=data["username"], password=data["password"], otp=data.get("otp", ""), by=by)
        except WrongPassword as error:
            raise self.get_invalid_login_error() from error
        except DomainError as error:
            raise ValidationError(as_sentence(error.text), code=error.code) from error
        self.confirm_login_allowed(user)
        complete_sign_in(user=user, method="password", by=by)
        self.user_cache = user
        return data


def password_change(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Changes the signed-in user's own password, with an audit entry. Only this session stays signed in."""
    with transaction.atomic():
        response: HttpResponse = _change_password(request, extra_context)
        if request.method == "POST" and response.status_code == 302:  # noqa: PLR2004
            user = staff_of(request)
            record_password_change(user=user, by=actor_of(request))
            update_session_auth_hash(request, user)
    return response


admin.site.login_form = ConsoleSignInForm
admin.site.password_change = password_change  # type: ignore[method-assign, assignment]
