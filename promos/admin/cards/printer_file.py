"""The page that downloads the printer's file of a secret batch."""

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from billing.admin.console.acts import find_for_act
from billing.admin.console.base import RecordAdmin
from billing.admin.console.display import NOTHING, Fact, Tool, change_url, code, moment
from billing.admin.console.forms import ConsoleForm, show_refusals_on
from billing.admin.console.pages import form_page
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Submission
from billing.language import say
from promos.models import Batch, PrinterFile
from promos.use_cases.cards.printer_file import BEFORE_USE, download_printer_file

PRINTER_FILE_TYPE = "application/octet-stream"


def printer_file_facts(batch: Batch) -> Iterable[Fact]:
    """Yields the facts of a secret batch's file; nothing for an open batch. One query for a secret one."""
    if not batch.is_secret:
        return
    yield Fact("Secret", say("only hashes of its codes are stored"))
    yield Fact("Printer's key", code(batch.printer_key))
    file = PrinterFile.objects.defer("content").filter(batch=batch).first()
    if file is not None:
        yield Fact("SHA-256 of the printer's file", code(file.digest))
        yield Fact("Printer's file handed to", file.handed_to or NOTHING)
        yield Fact("Printer's file handed out", moment(file.handed_out_at))


def printer_file_tools(request: HttpRequest, batch: Batch) -> Iterable[Tool]:
    """Yields what this person can do with the file now. One query for a secret batch before its use."""
    if not batch.is_secret or batch.status not in BEFORE_USE:
        return
    file = PrinterFile.objects.defer("content").filter(batch=batch).first()
    if file is not None and not file.handed_to:
        yield Tool("Hand out the printer's file", reverse("admin:promos_batch_handout", args=[batch.pk]))
    elif file is not None and file.handed_to == actor_of(request).user_id:
        yield Tool("Download the printer's file", reverse("admin:promos_batch_download", args=[batch.pk]))


def download_view(admin: RecordAdmin, request: HttpRequest, key: int) -> HttpResponse:
    """Asks for confirmation, then sends the file to the person that it was handed to."""
    batch = find_for_act(admin, request, key, permission="promos.change_batch")
    form = ConsoleForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        file = None
        with show_refusals_on(form):
            file = download_printer_file(batch=batch, by=actor_of(request))
        if file is not None:
            name = f"{batch.promo_code.code}.csv.age"
            return HttpResponse(
                bytes(file.content),
                content_type=PRINTER_FILE_TYPE,
                headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
            )
    page = change_url(admin.model_label, batch.pk)
    return form_page(
        admin,
        request,
        title=say("Download the printer's file of %(batch)s", batch=batch),
        form=form,
        submission=Submission(request, f"{admin.model_label}:download:{batch.pk}", batch.status),
        submit="Download",
        back=page,
        parent=(admin.title_of(batch), page),
        facts=printer_file_facts(batch),
        warning="Each download is recorded. The file is deleted when the batch is activated.",
    )
