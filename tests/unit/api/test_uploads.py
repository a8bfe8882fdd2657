from __future__ import annotations

import pytest
from starlette.requests import Request

from fyke.api.uploads import read_form
from fyke.errors import InvalidFields, InvalidRequest
from fyke.wire.fyke.uploads import ZipUpload

pytestmark = pytest.mark.anyio


def posted(*fields: tuple[str, str], end: str = "--x--\r\n") -> Request:
    """A form with these fields and an archive."""
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in fields
    ]
    file = 'Content-Disposition: form-data; name="scraper_file"; filename="w.zip"\r\n\r\nPK'
    body = "".join(f"--x\r\n{part}\r\n" for part in [*parts, file]) + end
    headers = [(b"content-type", b"multipart/form-data; boundary=x")]

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body.encode(), "more_body": False}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def test_a_repeated_field_is_refused_by_name() -> None:
    with pytest.raises(InvalidFields, match="more than once") as refused:
        await read_form(posted(("name", "one"), ("name", "two")), ZipUpload, strict=True)
    assert [problem.field for problem in refused.value.problems] == ["name"]


async def test_without_strict_the_first_of_repeated_fields_counts() -> None:
    form = await read_form(posted(("name", "one"), ("name", "two")), ZipUpload)
    assert form.name == "one"


@pytest.mark.parametrize("end", ["", "--x", "--x\r\nContent-Disposition: form-da"])
async def test_a_form_that_is_cut_off_is_refused_as_such(end: str) -> None:
    with pytest.raises(
        InvalidRequest, match=r"^the form ended early: .*; send it whole"
    ) as refused:
        await read_form(posted(("name", "one"), end=end), ZipUpload)
    assert not isinstance(refused.value, InvalidFields)
