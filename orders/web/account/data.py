"""The page of a customer's own data: what this service knows, as a file."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from billing.api.renderers import JSONBody, write_json
from orders.use_cases.personal.export_personal_data import FILE_HEADERS, export_personal_data
from orders.web.visitor import sign_in_first, signed_in_actor


@never_cache
@require_safe
def data_page(request: HttpRequest) -> HttpResponse:
    """Says what the file of the visitor's data holds."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-data")
    return render(request, "account_pages/data.html", {"visitor": visitor})


@never_cache
@require_POST
def download_data(request: HttpRequest) -> HttpResponse:
    """Returns the visitor's data as a file."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-data")
    return JSONBody(write_json(export_personal_data(by=visitor)), headers=FILE_HEADERS)
