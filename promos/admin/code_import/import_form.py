"""The form for a file of codes."""

from typing import Any

from django import forms

from billing.admin.console.forms import CsvField, ReasonForm
from billing.errors import InvalidFile
from billing.language import say, say_lazily
from billing.text import as_sentence
from billing.use_cases.bulk.csv_rows import refuse_bad_rows
from promos.use_cases.code_import.read_codes import MAX_CODES, CodeRow, read_codes

_COLUMNS = (
    "At most %(number)s codes. Titles: code, credit, cap (0 is unlimited); and optionally starts_at, expires_at,"
    " campaign, description and restrictions: only (orders or top_ups), minimum_order, first_order_only (yes), plans,"
    " addons, email_domains, customers, uses_per_customer, uses_per_day, uses_per_week and uses_per_month. Spaces"
    " separate the items of a list."
)


class ImportForm(ReasonForm):
    """A file of codes and the reason. After the check, `text` is the file's content, and `rows` are its codes."""

    file = CsvField(
        columns=say_lazily(_COLUMNS, number=MAX_CODES),
        required=False,
    )
    text = forms.CharField(required=False, widget=forms.HiddenInput, strip=False)
    field_order = ("file", "reason", "text")
    rows: list[CodeRow] = []

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        content = data.get("file") or data.get("text", "").encode()
        if not content and "file" not in self.errors:
            self.add_error("file", "Choose a file.")
        elif content:
            try:
                found = read_codes(content)
                refuse_bad_rows(found.bad_rows)
            except InvalidFile as error:
                for text in (error.fields or {})["file"]:
                    self.add_error("file", as_sentence(say(text)))
            else:
                self.rows = found.rows
                self.data["text"] = content.decode("utf-16" if content[:2] in _UTF_16 else "utf-8-sig")
        return data


_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
