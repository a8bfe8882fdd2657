"""The reference as Markdown, for users and programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fyke.console.docs.reference import OperationPage, Reference, ReferenceAnswer, ReferenceField

VERSIONS = {"v2": "API v2", "": "This server's own API", "v1": "API v1"}


def operation_markdown(page: OperationPage, origin: str) -> str:
    """One operation as a Markdown page."""
    return "\n".join(_operation(page, origin)).rstrip() + "\n"


def index_markdown(reference: Reference, origin: str) -> str:
    """``/llms.txt``: one line per operation, with the address of its Markdown page."""
    lines = [f"# {reference.title}", "", f"> {reference.text.strip()}".replace("\n", "\n> "), ""]
    lines += [
        "Send the key in the header `api-key` or as `Authorization: Bearer KEY`.",
        "",
        f"* [OpenAPI document]({origin}/openapi.json): all operations for tools",
        f"* [Postman collection]({origin}/docs/api/postman.json)",
        "",
    ]
    for group in reference.groups:
        lines += [f"## {VERSIONS[group.version]}: {group.tag}", "", group.text, ""]
        lines += [
            f"* [{page.summary}]({origin}/docs/{page.id}.md): `{page.method} {page.path}`"
            for page in group.operations
        ]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _operation(page: OperationPage, origin: str) -> Iterator[str]:
    yield from (f"# {page.summary}", "", f"`{page.method} {page.path}` ({VERSIONS[page.version]})")
    yield ""
    if page.text:
        yield from (page.text, "")
    yield "No key is needed." if page.open else "Needs a key: header `api-key`, or a bearer token."
    yield ""
    if page.parameters:
        yield from ("## Parameters", "", *_table(page.parameters, places=True), "")
    if page.body_media:
        yield from (f"## Body ({page.body_media})", "", *_table(page.body_fields), "")
    if page.body:
        yield from ("```json", page.body, "```", "")
    yield from ("## Example", "", "```sh", curl(page, origin), "```", "", "## Answers", "")
    for answer in page.answers:
        yield from _answer(answer)


def _answer(answer: ReferenceAnswer) -> Iterator[str]:
    yield from (f"### {answer.status}", "", answer.text, "")
    if answer.fields:
        yield from (*_table(answer.fields), "")
    for example in answer.examples:
        if example.name:
            yield from (example.name, "")
        yield from ("```json", example.text, "```", "")


def _table(fields: Sequence[ReferenceField], *, places: bool = False) -> Iterator[str]:
    if not fields:
        return
    yield "| field | in | type | required | |" if places else "| field | type | required | |"
    yield "| --- | --- | --- | --- | --- |" if places else "| --- | --- | --- | --- |"
    for field in fields:
        where = f" {field.place} |" if places else ""
        required = "yes" if field.required else "no"
        text = field.text.replace("|", "\\|").replace("\n", " ")
        yield f"| `{field.name}` |{where} {field.type} | {required} | {text} |"


def curl(page: OperationPage, origin: str) -> str:
    """A command line for the operation, with the key in a variable."""
    path, query = page.path, []
    for parameter in page.parameters:
        if parameter.place == "path":
            path = path.replace("{" + parameter.name + "}", parameter.example)
        elif parameter.place == "query" and parameter.required:
            query.append(f"{parameter.name}={parameter.example}")
    address = f"{origin}{path}{'?' + '&'.join(query) if query else ''}"
    parts = [f"curl -X {page.method} {_quoted(address)}"]
    if not page.open:
        parts.append('-H "api-key: $FYKE_KEY"')
    if page.body:
        parts += ["-H 'content-type: application/json'", f"-d {_quoted(page.body)}"]
    return " \\\n  ".join(parts)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
