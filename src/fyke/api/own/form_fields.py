"""What the operations about run forms take."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from fyke.api.decode import Wire, WireName, WireText, wrong
from fyke.domain.forms.normalise import FormPairs, GivenInput, JsonText, Raw
from fyke.errors import InvalidFields


def _pairs(value: object) -> list[tuple[str, str]]:
    rule = 'must be a list of pairs of texts such as [["f:max_results", "10"]]'
    if not isinstance(value, list):
        raise wrong(rule)
    for item in value:
        if (
            not isinstance(item, list)
            or len(item) != 2
            or not all(isinstance(t, str) for t in item)
        ):
            raise wrong(rule)
    return [(name, text) for name, text in value]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise wrong("must be a text")
    return value


Pairs = Annotated[
    list[tuple[str, str]],
    BeforeValidator(_pairs),
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 2,
                "maxItems": 2,
            },
        }
    ),
]
LongText = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": "string"})]


class FormRef(Wire):
    slug: WireName
    version: Annotated[WireText, Field(description="empty: the newest")] = ""


class BeginningRef(FormRef):
    from_run: Annotated[WireText, Field(description="id of a run of this worker")] = ""
    task: Annotated[WireText, Field(description="id of a task of this worker")] = ""


class InputBody(FormRef):
    """Exactly one of the three says what the input is."""

    input: Annotated[
        Any,
        Field(description="as a start takes it"),
        WithJsonSchema({"type": "object"}),
    ] = None
    form: Annotated[Pairs | None, Field(description="the pairs that a form sends")] = None
    json_text: Annotated[LongText | None, Field(description="JSON as a person typed it")] = None

    @property
    def raw(self) -> Raw:
        """What was given. Raise ``InvalidFields`` unless it is exactly one."""
        found: list[Raw] = []
        if self.input is not None:
            found.append(GivenInput(self.input))
        if self.form is not None:
            found.append(FormPairs(self.form))
        if self.json_text is not None:
            found.append(JsonText(self.json_text))
        if len(found) != 1:
            raise InvalidFields("give exactly one of input, form and json_text")
        return found[0]


class SnippetBody(InputBody):
    language: Annotated[WireText, Field(description="curl, python, node, java, php or go")] = "curl"
    callback_url: WireText = ""


class ImportRef(FormRef):
    field: Annotated[WireText, Field(description="name of a list; empty: the only one")] = ""
    name: Annotated[WireText, Field(description="name of the file; .csv is read as such")] = ""
    column: Annotated[WireText, Field(description="number or title of the column to take")] = ""
    sheet: Annotated[WireText, Field(description="of a workbook; empty: the first")] = ""
