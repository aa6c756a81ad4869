"""The page that imports voucher codes: a check, then a confirmation."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from billing.admin.console.base import RecordAdmin
from billing.admin.console.display import Fact, amount, list_url
from billing.admin.console.pages import form_page
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from promos.use_cases.code_import.forecast_codes import forecast_lines_of_codes
from promos.use_cases.code_import.import_codes import find_new, import_or_propose, preview_import

from .import_form import ImportForm


def import_view(model_admin: RecordAdmin, request: HttpRequest) -> HttpResponse:
    """Asks for a file, says what it would issue, and issues it after a confirmation."""
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    form = ImportForm(*((request.POST, request.FILES) if request.method == "POST" else ()))
    submission = Submission(request, f"{model_admin.model_label}:import", None)
    back = list_url(model_admin.model_label)

    def effect() -> Done:
        outcome = import_or_propose(rows=form.rows, by=actor_of(request), reason=form.cleaned_data["reason"])
        return done_or_proposed(outcome, request, url=back)

    if form.is_valid() and "confirmed" in request.POST:
        if answer := submission.submit(form, lock_state=lambda: None, effect=effect):
            return answer
    confirming = form.is_bound and form.is_valid()
    return form_page(
        model_admin,
        request,
        title="Confirm the import" if confirming else "Import vouchers",
        form=form,
        submission=submission,
        submit="Issue the vouchers" if confirming else "Check the file",
        back=back,
        facts=_facts(form) if confirming else (),
        hidden=[("confirmed", "yes")] if confirming else [],
        confirming=confirming,
    )


def _facts(form: ImportForm) -> list[Fact]:
    report = preview_import(rows=form.rows)
    return [
        Fact("Codes in the file", f"{report.rows:,}"),
        Fact("Would be issued", f"{report.issued:,}"),
        Fact("Are there already, with these terms", f"{report.already:,}"),
        Fact("Restricted", f"{sum(bool(row.terms.get('restrictions')) for row in form.rows):,}"),
        Fact("Credit, at most", amount(max(row.terms["credit_minor"] for row in form.rows))),
        *(Fact(line.name, line.after) for line in forecast_lines_of_codes(find_new(form.rows))),
        Fact("Reason", form.cleaned_data["reason"]),
    ]
