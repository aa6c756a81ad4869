"""The pages on which a customer chooses the optional mails: one in the account, one that a link of a mail opens."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from billing.api.access.client_address import client_address
from billing.errors import InvalidUnsubscribeLink
from billing.models import OPTIONAL_MAILS
from billing.text import as_sentence
from billing.use_cases.personal.mail_choices import choose_mails, read_unsubscribe_token, unsubscribe, wanted_mails
from orders.web.visitor import sign_in_first, signed_in_actor

_NAMES: dict[str, Promise] = {
    "credit_expires": gettext_lazy("Credit that expires soon"),
    "renewal_ahead": gettext_lazy("A subscription that renews soon"),
    "credit_runs_out": gettext_lazy("Credit that will not cover the next month"),
}


class MailsForm(forms.Form):
    mails = forms.MultipleChoiceField(
        label=gettext_lazy("Mail me about"),
        choices=[(name, _NAMES[name]) for name in OPTIONAL_MAILS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def mails_page(request: HttpRequest) -> HttpResponse:
    """Shows and stores the signed-in customer's choice."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-mails")
    if request.method == "POST":
        form = MailsForm(request.POST)
        if form.is_valid():
            choose_mails(wanted=set(form.cleaned_data["mails"]), by=visitor)
            messages.success(request, _("Your choice is stored."))
        return HttpResponseRedirect(reverse("account-mails"))
    choices = wanted_mails(user_id=visitor.user_id)
    form = MailsForm(initial={"mails": [name for name, is_wanted in choices.items() if is_wanted]})
    return render(request, "account_pages/mails.html", {"visitor": visitor, "form": form})


@csrf_exempt  # The link's signature says who asks. Mail programs post without a session.
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest) -> HttpResponse:
    """Asks, and then declines the mail of a link. A mail program that opens every link declines nothing."""
    token = request.GET.get("token", "")
    context: dict[str, Any] = {}
    status = 200
    try:
        if request.method == "POST":
            context = {"is_done": True, "name": _NAMES[unsubscribe(token=token, address=client_address(request))]}
        else:
            context = {"name": _NAMES[read_unsubscribe_token(token)[1]]}
    except InvalidUnsubscribeLink as error:
        status, context = error.status, {"problem": as_sentence(error.text)}
    return render(request, "account_pages/unsubscribe.html", context, status=status)
