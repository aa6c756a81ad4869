"""Forms for acts on ranges of cards, and for dealers."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminBigIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from billing.actor import DEALER
from billing.admin.console.forms import ConsoleForm, CsvField, MomentField, ReasonForm, reason_field
from billing.errors import InvalidFile
from billing.language import say
from billing.models import User
from billing.text import as_sentence
from billing.use_cases.bulk.csv_rows import refuse_bad_rows
from promos.models import Batch, Dealer
from promos.models.card_range import MAX_DEALER_NAME_LENGTH
from promos.use_cases.ranges.act_on_cards import merge_spans
from promos.use_cases.ranges.plan_act import Act
from promos.use_cases.ranges.read_serials import read_serials

ACTS = {
    Act.ALLOCATE: "Allocate to a dealer: cards cannot be redeemed until they are activated",
    Act.ACTIVATE: "Activate: customers can redeem the cards while the batch is active",
    Act.LOCK: "Lock: customers cannot redeem the cards until they are unlocked",
    Act.UNLOCK: "Unlock",
    Act.RETURN: "Return to the stock: no dealer holds the cards, and customers cannot redeem them",
    Act.EXTEND: "Extend: a later end than the batch's",
    Act.VOID: "Void for good",
}


class SerialsForm(ReasonForm):
    """Serial numbers of a batch, and the reason of an act on their cards."""

    first = forms.IntegerField(label="From serial number", widget=UnfoldAdminBigIntegerFieldWidget())
    last = forms.IntegerField(label="To serial number", widget=UnfoldAdminBigIntegerFieldWidget())
    field_order: tuple[str, ...] = ("first", "last", "reason")

    def __init__(self, *args: Any, batch: Batch, serials: tuple[int, int], **options: Any) -> None:
        super().__init__(*args, **options)
        self.batch = batch
        for name, value in zip(("first", "last"), serials, strict=True):
            self.fields[name].initial = value
            self.fields[name].help_text = say(
                "This batch has %(first)s to %(last)s.", first=batch.first_serial, last=batch.last_serial
            )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        first, last = data.get("first"), data.get("last")
        if first is not None and last is not None:
            if not self.batch.first_serial <= first <= last <= self.batch.last_serial:
                self.add_error("last", "Choose serial numbers of this batch, the lower one first.")
        return data


class ActForm(ReasonForm):
    """An act on cards, with its arguments and its reason."""

    act = forms.ChoiceField(label="Act", choices=ACTS.items(), widget=UnfoldAdminSelectWidget())
    dealer = forms.ModelChoiceField(
        Dealer.objects.order_by("name"),
        required=False,
        empty_label="None",
        help_text="Only for an allocation.",
        widget=UnfoldAdminSelectWidget(),
    )
    expires_at = MomentField(label="Valid until", help_text="Only for an extension.")


class RangeForm(ActForm, SerialsForm):
    """An act on the cards of some serial numbers."""

    field_order = ("act", "first", "last", "dealer", "expires_at", "reason")


class SerialFileForm(ActForm):
    """An act on the cards of a CSV file. After the check, `spans` are the serial numbers that it names."""

    file = CsvField(
        columns="One serial number in each row, or a first and a last one, with or without titles.", required=False
    )
    spans = forms.CharField(required=False, widget=forms.HiddenInput)
    field_order = ("act", "file", "dealer", "expires_at", "reason", "spans")

    def __init__(self, *args: Any, batch: Batch, **options: Any) -> None:
        super().__init__(*args, **options)
        self.batch = batch

    def clean_file(self) -> None:
        """Reads the file into `spans`, for the confirmation."""
        content = self.cleaned_data["file"]
        if not content:
            if not self.data.get("spans"):
                raise forms.ValidationError("Choose a file.")
            return
        try:
            serials = read_serials(content, batch=self.batch)
            refuse_bad_rows(serials.bad_rows)
        except InvalidFile as error:
            sentences = [as_sentence(say(text)) for text in (error.fields or {})["file"]]
            raise forms.ValidationError(sentences) from error
        self.data["spans"] = " ".join(f"{first}-{last}" for first, last in merge_spans(serials.spans))

    def clean_spans(self) -> list[tuple[int, int]]:
        parts = [part.partition("-") for part in str(self.data.get("spans", "")).split()]
        try:
            return [(int(first), int(last)) for first, _, last in parts]
        except ValueError as error:
            raise forms.ValidationError("Choose the file again.") from error


class DealerForm(ConsoleForm):
    """A dealer's name, and the user who sells for it."""

    name = forms.CharField(
        max_length=MAX_DEALER_NAME_LENGTH, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    )
    user_id = forms.ChoiceField(
        label="User",
        required=False,
        help_text="A user with the role dealer, who sees and activates this dealer's cards.",
        widget=UnfoldAdminSelectWidget(),
    )
    reason = reason_field()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        users = User.objects.filter(groups__name=DEALER, is_active=True).order_by("username")
        choices = {user.sub: user.get_username() for user in users}
        if current := self.initial.get("user_id"):
            # The user may be one of the platform's, whom this service does not know.
            choices.setdefault(current, current)
        self.fields["user_id"].choices = [("", say("None")), *choices.items()]  # type: ignore[attr-defined]
