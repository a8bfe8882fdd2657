"""A request of the page of a form: action and input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fyke.console.forms import PostedForm as Sent
from fyke.domain.forms.codec import PASTE
from fyke.domain.forms.model import FormField
from fyke.domain.forms.normalise import FormPairs, JsonText, RawInput
from fyke.domain.forms.pairs import control, group_by_field
from fyke.domain.forms.rows import cell_name

JSON_VIEW, FORM_VIEW = "json", "form"
REDRAW = "redraw"  # nothing but the page once more
MORE_ROWS = 5


@dataclass(frozen=True, slots=True)
class FormRequest:
    """``act`` is the value of the pressed button; ``subject`` the field that it belongs to.

    ``was_view`` is the view that was sent, ``view`` the one to show.
    """

    act: str
    subject: str
    was_view: str
    pairs: tuple[tuple[str, str], ...]
    version: str
    drawn: str  # the version that the controls are of
    callback_url: str
    title: str

    @property
    def view(self) -> str:
        return self.act if self.act in (JSON_VIEW, FORM_VIEW) else self.was_view

    @property
    def json_text(self) -> str:
        return next((text for name, text in self.pairs if name == "json_text"), "")

    @property
    def raw(self) -> RawInput:
        """The submitted input, of the view on the page."""
        if self.was_view == JSON_VIEW:
            return JsonText(self.json_text.replace("\r\n", "\n"), self.pairs)
        return FormPairs(self.pairs)

    @property
    def pasted(self) -> bool:
        """Whether the paste field contains rows to split into cells."""
        return any(name.endswith(f":{PASTE}") and text.strip() for name, text in self.pairs)

    def with_rows(self, field: FormField, more: int = MORE_ROWS) -> FormRequest:
        """The same with more empty rows in a table."""
        used = group_by_field(self.pairs).custom.get(field.name, {})
        first = max((int(s.split(".")[0]) for s in used if s.split(".")[0].isdecimal()), default=-1)
        fresh = [
            (control(field.name, cell_name(row, column.name)), "")
            for row in range(first + 1, first + 1 + more)
            for column in field.columns
        ]
        return replace(self, pairs=(*self.pairs, *fresh))


def read(sent: Sent) -> FormRequest:
    """The request of a submitted form."""
    act, _, subject = sent.get("do", REDRAW).partition(":")
    return FormRequest(
        act=act,
        subject=subject,
        was_view=JSON_VIEW if sent.get("view") == JSON_VIEW else FORM_VIEW,
        pairs=tuple(_own(sent.pairs)),
        version=sent.get("version").strip(),
        drawn=sent.get("drawn").strip(),
        callback_url=sent.get("callback_url").strip(),
        title=sent.get("task_title").strip(),
    )


def _own(pairs: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """The form pairs of the input."""
    kept = ("f", "s", "json_text")
    return (pair for pair in pairs if pair[0].partition(":")[0] in kept)
