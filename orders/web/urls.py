"""The customers' pages. With AUTH_ENABLED=0 there are none, because the platform has its own."""

from django.urls import path

from . import account, redeem

urlpatterns = [
    path("redeem", redeem.redeem_page, name="redeem"),
    path("account", account.account_page, name="account"),
]
