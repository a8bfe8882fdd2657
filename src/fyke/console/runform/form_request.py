"""A submitted form: the pressed button and the input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fyke.console.forms import PostedForm
from fyke.domain.forms.codec import PASTE
from fyke.domain.forms.model import FormField
from fyke.domain.forms.normalise import FormPairs, JsonText, RawInput
from fyke.domain.forms.pairs import control, group_by_field
from fyke.domain.forms.rows import cell_name

JSON_VIEW, FORM_VIEW = "json", "form"
REDRAW = "redraw"  # no action: only show the page again
MORE_ROWS = 5


@dataclass(frozen=True, slots=True)
class FormRequest:
    """``button`` is the name of the pressed button, ``subject`` the field that it belongs to.

    ``sent_view`` is the view that was submitted, ``view`` the one to show.
    """

    button: str
    subject: str
    sent_view: str
    pairs: tuple[tuple[str, str], ...]
    version: str
    rendered_version: str  # the version for which the form was rendered
    callback_url: str
    title: str

    @property
    def view(self) -> str:
        return self.button if self.button in (JSON_VIEW, FORM_VIEW) else self.sent_view

    @property
    def json_text(self) -> str:
        return next((text for name, text in self.pairs if name == "json_text"), "")

    @property
    def raw(self) -> RawInput:
        """The input as submitted, from the JSON view or the form view."""
        if self.sent_view == JSON_VIEW:
            return JsonText(self.json_text.replace("\r\n", "\n"), self.pairs)
        return FormPairs(self.pairs)

    @property
    def pasted(self) -> bool:
        """Whether the paste field contains rows to split into cells."""
        return any(name.endswith(f":{PASTE}") and text.strip() for name, text in self.pairs)

    def with_rows(self, field: FormField, count: int = MORE_ROWS) -> FormRequest:
        """The same request with more empty rows in a table."""
        used = group_by_field(self.pairs).custom.get(field.name, {})
        numbers = (suffix.partition(".")[0] for suffix in used)
        last = max((int(number) for number in numbers if number.isdecimal()), default=-1)
        new_pairs = [
            (control(field.name, cell_name(row, column.name)), "")
            for row in range(last + 1, last + 1 + count)
            for column in field.columns
        ]
        return replace(self, pairs=(*self.pairs, *new_pairs))


def read(form: PostedForm) -> FormRequest:
    """The request of a submitted form."""
    button, _, subject = form.get("do", REDRAW).partition(":")
    return FormRequest(
        button=button,
        subject=subject,
        sent_view=JSON_VIEW if form.get("view") == JSON_VIEW else FORM_VIEW,
        pairs=tuple(_input_pairs(form.pairs)),
        version=form.get("version").strip(),
        rendered_version=form.get("drawn").strip(),
        callback_url=form.get("callback_url").strip(),
        title=form.get("task_title").strip(),
    )


def _input_pairs(pairs: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """The form pairs of the input."""
    prefixes = ("f", "s", "json_text")
    return (pair for pair in pairs if pair[0].partition(":")[0] in prefixes)
