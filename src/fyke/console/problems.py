"""Assigns the problems of an error to the fields of a form, and words those of a saved input."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fyke.console.reasons import error_text
from fyke.console.run_options import name_options
from fyke.console.texts import gettext as _
from fyke.domain.tasks.board import TaskProblem
from fyke.errors import FykeError

WHOLE = "form"  # for problems that concern no field


def faults_of(error: FykeError, fields: Mapping[str, str], fallback: str = WHOLE) -> dict[str, str]:
    """Field of the form to sentence. ``fields``: the domain's name of a field to the form's.
    Problems with other fields are assigned to ``fallback``.
    """
    if error.reason is not None:
        return {fallback: error_text(error)}
    faults = {}
    for problem in error.problems:
        name = fields.get(problem.field)
        text = name_options(problem.sentence) if name is None else problem.text
        faults[name or fallback] = text[:1].upper() + text[1:]
    return faults


def nothing_to_split(fields: Collection[str]) -> str:
    """What to do when the fields by which a run is split, given by their labels, are empty."""
    first, *more = fields
    if not more:
        return _("Add an entry to %(field)s: each entry is one subtask.") % {"field": first}
    names = ", ".join(fields)
    return _("Add an entry to one of %(fields)s: each entry is one subtask.") % {"fields": names}


def problem_text(problem: TaskProblem) -> str:
    """What to do about the saved input of a task, as a sentence with the names of the form."""
    if problem.field is None:
        text = name_options(problem.sentence)
        return text[:1].upper() + text[1:]
    text = _("Correct the field %(field)s: its value has the wrong type.")
    if problem.field.missing:
        text = _("Fill in the field %(field)s.")
    return text % {"field": problem.field.label}
