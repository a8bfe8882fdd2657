"""The archive that explains a run, and texts about runs without the secrets in their inputs."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from fyke.errors import InvalidFields
from fyke.wire.fields import Answer, Boolean, FieldError, Names, ParsedBy, Request

MAX_TEXTS = 1000
MAX_RUNS = 100


def to_long_texts(value: object) -> list[str]:
    """Texts that are limited only by the size of the body."""
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise FieldError("must be a list of strings")
    return value


class TextsToHideIn(Request):
    """Text number n is about run number n. ``runs`` may name a run several times."""

    runs: Annotated[Names, Meta(description=f"ids, at most {MAX_RUNS} different ones")] = ()
    texts: Annotated[
        list[str], ParsedBy(to_long_texts), Meta(max_length=MAX_TEXTS, description="one of each")
    ] = []

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each text after the id of its run. Raises ``InvalidFields``."""
        if len(self.runs) != len(self.texts):
            raise InvalidFields("must be as many as runs", field="texts")
        if len(set(self.runs)) > MAX_RUNS:
            raise InvalidFields(f"must name at most {MAX_RUNS} different ones", field="runs")
        return list(zip(self.runs, self.texts, strict=True))


class HiddenTexts(Answer):
    texts: Annotated[
        list[str],
        Meta(description="in the same order; `***` if the secrets of the run are not known"),
    ]


class DiagnosisQuery(Request):
    picture: Annotated[
        Boolean,
        Meta(description="whether it contains the picture of the last page, with secrets on it"),
    ] = True
