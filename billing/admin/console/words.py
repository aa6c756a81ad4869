"""Translates the console's own words: titles, labels, hints, choices and states.

The code of the pages holds them as plain text, and each is translated where it is shown: by the templates, and here.
`tests.console_words` collects them for the catalog. A name or a code of the data passes through the templates as a
value, never as a title of a fact, a column or a button, so it is not translated.
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.utils import pretty_name
from django.utils.translation import gettext, gettext_lazy


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
