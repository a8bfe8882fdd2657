"""From the problems of an error to the fields of a form."""

from __future__ import annotations

from collections.abc import Mapping

from fyke.console.reasons import said
from fyke.errors import FykeError

WHOLE = "form"  # what belongs to no field


def faults_of(error: FykeError, fields: Mapping[str, str], other: str = WHOLE) -> dict[str, str]:
    """Field of the form to sentence; ``fields``: the domain's name of each to the form's. What is
    about none of them goes to ``other``.
    """
    if error.reason is not None:
        return {other: said(error)}
    found = {}
    for problem in error.problems:
        known = fields.get(problem.field)
        text = problem.sentence if known is None else problem.text
        found[known or other] = text[:1].upper() + text[1:]
    return found
