"""Translates the console's own words: titles, labels, hints, choices and states.

The code of the pages holds them as plain text, and each is translated where it is shown: by the templates, and here.
`tests.console_words` collects them for the catalog. A name or a code of the data passes through the templates as a
value, never as a title of a fact, a column or a button, so it is not translated.
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.utils import pretty_name
from django.utils.functional import lazy
from django.utils.translation import get_language_bidi, gettext, gettext_lazy


def translate_labels(page: type[Any]) -> None:
    """Translates the titles of the columns and actions that this class of pages defines."""
    for member in vars(page).values():
        title = getattr(member, "short_description", "")
        if callable(member) and isinstance(title, str) and title:
            member.short_description = gettext_lazy(title)


def translate_model(model: type[Any]) -> None:
    """Translates the names of a model and of its fields, and the labels of its states."""
    names: Any = model._meta
    names.verbose_name = gettext_lazy(str(names.verbose_name))
    names.verbose_name_plural = gettext_lazy(str(names.verbose_name_plural))
    for field in names.fields:
        if isinstance(field.verbose_name, str):
            field.verbose_name = gettext_lazy(field.verbose_name)
        if field.choices and all(isinstance(label, str) for _, label in field.choices):
            field.choices = [(value, gettext_lazy(label)) for value, label in field.choices]


def translate_form(form: forms.BaseForm) -> None:
    """Translates the labels, hints and choices of a form."""
    for name, field in form.fields.items():
        field.label = gettext(str(field.label if field.label is not None else pretty_name(name)))
        field.help_text = gettext(str(field.help_text))
        if isinstance(field, forms.ModelChoiceField) and field.empty_label:
            field.empty_label = gettext(str(field.empty_label))
        elif isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
            choices: Any = field.choices
            field.choices = [_translate_choice(*each) for each in choices]


def _translate_choice(value: Any, label: Any) -> tuple[Any, Any]:
    if isinstance(label, list | tuple):
        return gettext(str(value)), [_translate_choice(*each) for each in label]
    return value, gettext(str(label))


def translate_error(error: Any) -> Any:
    """Translates what a form is refused with; a sentence of the framework is translated already."""
    if isinstance(error, str):
        return gettext(error)
    if isinstance(error, ValidationError) and not hasattr(error, "error_dict"):
        for each in error.error_list:
            if isinstance(each.message, str):
                each.message = gettext(each.message)
    return error


def say(sentence: str, **values: object) -> str:
    """Returns a sentence in the reader's language with these values in it."""
    return gettext(sentence) % _isolate(values) if values else gettext(sentence)


def name_role(role: str) -> str:
    """Returns the name of a role in the reader's language. In English it is the name that a token has."""
    return gettext(role)


def name_person(name: str, role: str) -> str:
    """Returns a person with their role: `noor@example.org (sovereign-admin)`."""
    return f"{name} ({name_role(role)})"


def _isolate(values: dict[str, object]) -> dict[str, object]:
    """Keeps codes, amounts and addresses as they are read in a sentence from right to left.

    The two signs show nothing: they begin and end a text that has a direction of its own.
    """
    if not get_language_bidi():
        return values
    return {name: f"\u2068{value}\u2069" if value != "" else "" for name, value in values.items()}


# A sentence for a form, which is made before anybody reads it.
say_lazily = lazy(say, str)
