"""Enrolling an authenticator app: django-allauth's page, after which the recovery codes are shown at once."""

from typing import Any, cast

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.totp.views import ActivateTOTPView
from django.http import HttpResponse

from billing.models import User


class EnrollPage(ActivateTOTPView):
    def form_valid(self, form: Any) -> HttpResponse:
        """Enrolls the app. The code that it showed proves the second factor, which the next page asks for."""
        response: HttpResponse = super().form_valid(form)
        user = cast(User, self.request.user)
        record_authentication(self.request, user, method="mfa", type="totp", reauthenticated=True)
        return response
