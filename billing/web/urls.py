"""The pages under /accounts/. With AUTH_ENABLED=0 customers have none; staff keep their second factors."""

from allauth.account.views import reauthenticate
from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from . import brand_files, language, second_factor, sign_in

urlpatterns: list[URLPattern | URLResolver] = [
    path("reauthenticate/", reauthenticate, name="account_reauthenticate"),
    path("2fa/totp/activate/", second_factor.EnrollPage.as_view(), name="mfa_activate_totp"),
    path("2fa/", include("allauth.mfa.urls")),
    path("logout/", sign_in.sign_out, name="account_logout"),
    path("language/", language.choose_language, name="language"),
    path("brand.css", brand_files.brand_stylesheet, name="brand-stylesheet"),
    path("logo.svg", brand_files.brand_logo, name="brand-logo"),
]

if settings.AUTH_ENABLED:
    urlpatterns += [
        path("login/", sign_in.sign_in, name="account_login"),
        path("login/code/", sign_in.enter_code, name="account_code"),
        path("login/second-factor/", sign_in.enter_second_factor, name="account_second_factor"),
        path("provider/", sign_in.provider_start, name="account_provider"),
        path("provider/callback/", sign_in.provider_callback, name="account_provider_callback"),
    ]
else:
    urlpatterns += [path("login/", RedirectView.as_view(pattern_name="admin:login"), name="account_login")]
