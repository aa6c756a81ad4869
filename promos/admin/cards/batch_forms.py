"""Forms for batches of cards: a new batch, and a part of one to print."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminBigIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from billing.admin.console.forms import AmountField, MomentField, reason_field, with_currency
from billing.language import say, say_lazily
from billing.text import as_sentence
from promos.admin.form_fields import (
    campaign_field,
    credit_days_field,
    credit_expires_field,
    text_field,
)
from promos.admin.restriction_fields import RestrictionsForm
from promos.models import Batch
from promos.models.batch import MAX_CARDS
from promos.models.campaign import DEFAULT_CAMPAIGN
from promos.use_cases.cards.create_batch import BatchTerms, find_problems
from promos.use_cases.forecasts.forecast_offer import Offer, offer_in_campaign
from promos.use_cases.restrictions.complete_restrictions import complete_restrictions

from .range_forms import SerialsForm

MAX_PRINTED = 1_000


class BatchForm(RestrictionsForm):
    """The terms of a new batch."""

    name = forms.CharField(
        max_length=64,
        help_text="3 to 64 letters, digits, '-' or '_'. Staff and ledger entries name the batch so; it is no code.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "autofocus": True}),
    )
    campaign = campaign_field()
    credit = AmountField(label=with_currency("Credit"), help_text="The credit that one card grants.")
    size = forms.IntegerField(
        label="Cards",
        min_value=1,
        max_value=MAX_CARDS,
        help_text=say_lazily("How many cards, at most %(number)s.", number=f"{MAX_CARDS:,}"),
        widget=UnfoldAdminBigIntegerFieldWidget(),
    )
    pattern = forms.CharField(
        max_length=40,
        initial="####-####-####",
        help_text="Each # is a random character. Letters and digits stand in every code; dashes are only printed.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    alphabet = forms.ChoiceField(
        label="Random characters", choices=Batch.Alphabet.choices, widget=UnfoldAdminSelectWidget()
    )
    description = text_field(max_length=500, help_text="Shown to customers who preview a card.")
    starts_at = MomentField(label="Valid from", help_text="Leave empty to start with the activation.")
    expires_at = MomentField(
        label="Valid until", help_text="From this moment on its cards are no longer valid. Leave empty for no end."
    )
    credit_days = credit_days_field()
    credit_expires_at = credit_expires_field()
    printer_key = forms.CharField(
        label="Printer's key",
        required=False,
        max_length=200,
        help_text="A public key of age (age1…) makes the batch secret: only hashes of its codes are stored, and one"
        " file that only the printer can read. Leave empty for an open batch.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    reason = reason_field()

    def clean(self) -> dict[str, Any]:
        """Judges the terms beside the inputs that cannot be read, so that one answer names all errors."""
        data = super().clean()
        readable = ("name", "size", "pattern", "printer_key")
        entered: dict[str, Any] = {"name": "", "size": 0, "pattern": "", "credit_minor": data.get("credit", 0)}
        entered |= {name: data[name] for name in readable if name in data}
        terms = BatchTerms(**entered)
        for name, sentences in find_problems(terms).items():
            if name in data:
                self.add_error(name, [as_sentence(say(each)) for each in sentences])
        return data

    def offer(self) -> Offer:
        """Returns what past orders are replayed against. Raises: InvalidRestrictions, CampaignNotFound."""
        data = self.cleaned_data
        return offer_in_campaign(
            credit_minor=data["credit"],
            max_redemptions=data["size"],
            starts_at=data["starts_at"],
            ends_at=data["expires_at"],
            restrictions=complete_restrictions(self.restrictions()),
            for_cards=True,
            campaign_id=data["campaign"].id if data["campaign"] else None,
        )

    def terms(self) -> BatchTerms:
        """Returns the entered terms."""
        data = self.cleaned_data
        return BatchTerms(
            name=data["name"],
            credit_minor=data["credit"],
            size=data["size"],
            pattern=data["pattern"],
            alphabet=data["alphabet"],
            description=data["description"],
            starts_at=data["starts_at"],
            expires_at=data["expires_at"],
            credit_days=data["credit_days"],
            credit_expires_at=data["credit_expires_at"],
            campaign_id=data["campaign"].id if data["campaign"] else DEFAULT_CAMPAIGN,
            restrictions=self.restrictions(),
            printer_key=data["printer_key"],
        )


class SheetsForm(SerialsForm):
    """The serial numbers of the cards to print."""

    def __init__(self, *args: Any, batch: Batch, **options: Any) -> None:
        last = min(batch.last_serial, batch.first_serial + MAX_PRINTED - 1)
        super().__init__(*args, batch=batch, serials=(batch.first_serial, last), **options)
        self.fields["last"].help_text = say("At most %(number)s cards.", number=MAX_PRINTED)

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if not self.errors and data["last"] - data["first"] >= MAX_PRINTED:
            self.add_error("last", say("Print at most %(number)s cards at a time.", number=MAX_PRINTED))
        return data
