"""The pages of the ledger's proof: signed heads, the results of checks, and the evidence pack."""

import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import FileResponse, HttpRequest
from django.urls import reverse

from billing.admin.console.acts import find_for_act
from billing.admin.console.base import ReadOnlyAdmin, View
from billing.admin.console.display import Fact, Text, Tool, amount, badge, change_url, code, link, moment
from billing.admin.console.forms import ReasonForm
from billing.admin.console.pages import form_page
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Submission
from billing.language import say
from billing.models import LedgerCheck, LedgerHead
from billing.use_cases.proof.audit.app_chains import list_app_chains
from billing.use_cases.proof.export_evidence import hand_out_evidence

# The pack holds the audit trail too, which finance does not see.
_EXPORT = "billing.view_auditentry"


@admin.register(LedgerHead)
class LedgerHeadAdmin(ReadOnlyAdmin):
    """Signed heads. Each page shows what an auditor publishes elsewhere, and offers the evidence pack."""

    reads_replica = True
    nouns = "signed heads"
    noun = "signed head"
    list_display = ("named", "when", "accounts", "entries", "balance", "changed")
    search_fields = ("number",)
    search_help_text = "Number of the head"

    def search_filter(self, term: str) -> Q:
        return Q(number=int(term)) if term.isdecimal() and len(term) < 18 else Q(pk=None)  # noqa: PLR2004 - bigint

    @admin.display(description="Head")
    def named(self, head: LedgerHead) -> Text:
        return str(head.number)

    @admin.display(description="Time")
    def when(self, head: LedgerHead) -> Text:
        return moment(head.created_at)

    @admin.display(description="Accounts")
    def accounts(self, head: LedgerHead) -> Text:
        return f"{head.facts['accounts']:,}"

    @admin.display(description="Entries")
    def entries(self, head: LedgerHead) -> Text:
        return f"{head.facts['entries']:,}"

    @admin.display(description="Credit in all accounts")
    def balance(self, head: LedgerHead) -> Text:
        return amount(head.facts["balance_minor"])

    @admin.display(description="Accounts changed")
    def changed(self, head: LedgerHead) -> Text:
        return f"{head.facts['changed']:,}"

    def title_of(self, record: Any) -> str:
        return say("Signed head %(number)s", number=record.number)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Time", moment(record.created_at))
        yield Fact("Accounts", self.accounts(record))
        yield Fact("Entries", self.entries(record))
        yield Fact("Credit in all accounts", self.balance(record))
        yield Fact("Accounts changed since the head before", self.changed(record))
        if "audit_entries" in record.facts:
            yield Fact("Audit entries", f"{record.facts['audit_entries']:,}")
        for chain in list_app_chains():
            if count := record.facts.get(f"{chain.name}_entries"):
                yield Fact(f"{chain.name.capitalize()} entries", f"{count:,}")
        yield Fact("To publish", code(f"{record.number}:{record.hash}"))
        yield Fact("Public key", code(record.facts["public_key"]))

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if request.user.has_perm(_EXPORT):
            yield Tool("Download the evidence", reverse("admin:billing_ledgerhead_evidence", args=[record.pk]))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [("<int:number>/evidence/", "evidence", self.evidence_view)]

    def evidence_view(self, request: HttpRequest, number: int) -> Any:
        """Asks for a reason, then answers the evidence pack."""
        head = find_for_act(self, request, number, permission=_EXPORT)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        page = change_url(self.model_label, head.pk)
        if form.is_valid():
            file = tempfile.TemporaryFile()
            hand_out_evidence(file, by=actor_of(request), reason=form.cleaned_data["reason"])
            file.seek(0)
            response = FileResponse(file, as_attachment=True, filename="evidence.zip", content_type="application/zip")
            response["Cache-Control"] = "no-store"
            return response
        return form_page(
            self,
            request,
            title="Download the evidence",
            form=form,
            submission=Submission(request, f"{self.model_label}:evidence:{head.pk}", head.number),
            submit="Download",
            back=page,
            parent=(self.title_of(head), page),
            facts=self.facts(request, head),
            warning="The pack holds every ledger entry and card entry of every customer, and the whole audit trail.",
        )


@admin.register(LedgerCheck)
class LedgerCheckAdmin(ReadOnlyAdmin):
    """The results of the nightly verification of the chain, and of `verify_ledger --chain`."""

    reads_replica = True
    nouns = "checks of the chain"
    noun = "check of the chain"
    list_display = ("when", "result", "entries", "covered")
    list_select_related = ("head",)
    search_fields = ("fault",)
    search_help_text = "Words of a fault"

    def search_filter(self, term: str) -> Q:
        return Q(fault__icontains=term)

    @admin.display(description="Time")
    def when(self, check: LedgerCheck) -> Text:
        return moment(check.finished_at)

    @admin.display(description="Result")
    def result(self, check: LedgerCheck) -> Text:
        return badge("fault", "bad") if check.fault else badge("sound", "good")

    @admin.display(description="Newest head")
    def covered(self, check: LedgerCheck) -> Text:
        if check.head_id is None:
            return say("none")
        return link(say("head %(number)s", number=check.head_id), change_url("billing_ledgerhead", check.head_id))

    def title_of(self, record: Any) -> str:
        return say("Check of the chain")

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Result", self.result(record))
        if record.fault:
            yield Fact("Fault", record.fault)
        yield Fact("Started", moment(record.started_at))
        yield Fact("Finished", moment(record.finished_at))
        yield Fact("Accounts", f"{record.accounts:,}")
        yield Fact("Entries", f"{record.entries:,}")
        yield Fact("Audit entries", f"{record.audit_entries:,}")
        for name, count in record.other_entries.items():
            yield Fact(f"{name.capitalize()} entries", f"{count:,}")
        yield Fact("Newest head", self.covered(record))
