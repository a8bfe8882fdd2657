"""Bad requests, by mistake and on purpose: each gets one clear answer."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import zipfile
from typing import Any

import httpx2
import pytest

from fyke_client.errors import ApiError
from support.booted import Booted
from support.projects import SDK, python_project, zoo
from support.zips import Entry, make_zip

SUCCEEDED, FAILED = 3, 4
PROJECT = [
    Entry("main.py", b"print(1)"),
    Entry("input_schema.json", b'{"properties": []}'),
]
SYMLINK = 0o120777
FIELDS = {
    "properties": [
        {"name": "urls", "type": "array", "required": True},
        {"name": "most", "type": "integer"},
        {"name": "deep", "type": "object"},
    ]
}


def refusal(platform: Booted, archive: bytes, name: str) -> str:
    """Publish an invalid project; return the error message."""
    answer = httpx2.post(
        f"{platform.url}/api/v2/workers/owner~{name}/versions",
        files={"scraper_file": ("worker.zip", archive)},
        headers={"api-key": platform.key},
        timeout=60,
    )
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body["code"] == 11000
    assert body["details"]
    found = httpx2.get(f"{platform.url}/api/fyke/workers", headers={"api-key": platform.key})
    assert name not in [worker["path"].split("/")[1] for worker in found.json()["data"]["list"]]
    return "\n".join([body["message"], *body["details"]])


# --- archives ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        (Entry("../../etc/cron.d/fyke", b"x"), "../../etc/cron.d/fyke"),
        (Entry("/etc/passwd", b"x"), "/etc/passwd"),
        (Entry("a\\..\\..\\b", b"x"), ".."),
        (Entry("link", b"/etc/shadow", mode=SYMLINK), "link"),
        (Entry("main.py", b"print(2)"), "main.py"),
    ],
    ids=["dot-dot", "absolute", "backslashes", "symlink", "duplicate name"],
)
def test_an_archive_with_an_unsafe_entry_is_refused(
    platform: Booted, extra: Entry, named: str
) -> None:
    assert named in refusal(platform, make_zip([*PROJECT, extra]), "bad-archive")
    assert not os.path.exists("/etc/cron.d/fyke")


def test_a_zip_bomb_is_refused_before_it_is_inflated(platform: Booted) -> None:
    huge = Entry("zeros.bin", b"\0" * (40 * 2**20))
    packed = huge.data()
    bombs = [Entry(f"zeros-{n}.bin", huge.content, payload=packed, crc=0) for n in range(20)]
    archive = make_zip([*PROJECT, *bombs])
    assert len(archive) < 2**20
    assert "at most 524,288,000 are allowed" in refusal(platform, archive, "bad-bomb")


def test_a_zip_bomb_with_a_false_size_is_refused(platform: Booted) -> None:
    liar = Entry("zeros.bin", b"\0" * (30 * 2**20), size=10, local_size=10)
    assert "zeros.bin" in refusal(platform, make_zip([*PROJECT, liar]), "bad-liar")


@pytest.mark.parametrize(
    "archive", [b"PK\x03\x04 not a zip", b"\x1f\x8b\x08tar", python_project("")[:-30]]
)
def test_a_file_that_is_not_an_archive_is_refused(platform: Booted, archive: bytes) -> None:
    assert "zip" in refusal(platform, archive, "bad-nothing").lower()


def test_a_missing_archive_is_a_missing_field(platform: Booted) -> None:
    with pytest.raises(ApiError, match="scraper_file must not be empty: send the ZIP"):
        platform.push(b"", "bad-nothing")


@pytest.mark.parametrize(
    ("schema", "texts"),
    [
        (
            b'{"properties": [}',
            ["input_schema.json:1: input_schema is not", "column 17"],
        ),
        (
            b'{\n "properties": [\n  {"name": "a"},\n ]\n}',
            ["input_schema is not a valid json"],
        ),
        (b"[]", ["root of input_schema.json must be an object"]),
        (b"{}", ["properties must be an array"]),
        (b'{"properties": [{"title": "x"}]}', ["properties[0] has no name"]),
        (b'{"properties": [{"name": "a"}, {"name": "a"}]}', ['"a" is used by an earlier']),
        (b"\xff\xfe", ["input_schema.json"]),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(
    platform: Booted, schema: bytes, texts: list[str]
) -> None:
    archive = make_zip([PROJECT[0], Entry("input_schema.json", schema)])
    message = refusal(platform, archive, "bad-schema")
    for text in texts:
        assert text in message


def test_a_project_needs_exactly_one_entry_file(platform: Booted) -> None:
    schema = PROJECT[1]
    assert "main.py" in refusal(platform, make_zip([schema]), "bad-none")
    both = make_zip([*PROJECT, Entry("main.js", b"1"), Entry("package.json", b"{}")])
    message = refusal(platform, both, "bad-both")
    assert "main.py" in message
    assert "main.js" in message


def test_a_byte_order_mark_and_a_folder_around_the_project_are_accepted(
    platform: Booted,
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("my-worker/main.py", "from sdk import CoreSDK\nCoreSDK.Result.push_data({})")
        made.writestr("my-worker/input_schema.json", b'\xef\xbb\xbf{"properties": []}')
        for file in SDK.glob("*.py"):
            made.writestr(f"my-worker/{file.name}", file.read_text())
    run = platform.start_run(platform.push(buffer.getvalue(), "good-folder"))
    assert platform.ended(run)["results"] == 1


# --- inputs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("custom", "text"),
    [
        ({}, 'required field "urls" is missing or empty'),
        ({"urls": []}, 'required field "urls" is missing or empty'),
        ({"urls": None}, 'required field "urls" is missing or empty'),
        ({"urls": "https://a.example"}, 'field "urls" must be an array, not a string'),
        ({"urls": ["a"], "most": "3"}, 'field "most" must be an integer, not a string'),
        ({"urls": ["a"], "most": 1.5}, 'field "most" must be an integer'),
        ({"urls": ["a"], "most": True}, 'field "most" must be an integer, not a boolean'),
        ({"urls": ["a"], "deep": [1]}, 'field "deep" must be an object, not an array'),
        ([1], "custom parameters must contain a single JSON object"),
        ("x", "custom parameters must contain a single JSON object"),
    ],
)
def test_an_input_that_breaks_the_schema_is_refused(
    platform: Booted, custom: Any, text: str
) -> None:
    slug = platform.push(python_project("print(1)", schema=FIELDS), "bad-fields")
    body = {"scraper_slug": slug, "input": {"parameters": {"custom": custom}}}
    answer = platform.raw("/api/v1/scraper/run", body)
    assert (answer.status_code, answer.json()["code"]) == (400, 4000)
    assert text in answer.json()["message"]
    assert platform.call("/api/v1/run/list", {"scraper_slug": slug})["count"] == 0


@pytest.mark.parametrize(
    ("system", "text"),
    [
        ({"memory": -1}, "memory"),
        ({"memory": 20000}, "at most 16384"),
        ({"cpus": "many"}, "cpus"),
        ({"max_total_charge": -0.1}, "max_total_charge"),
        ({"max_total_traffic": "x"}, "max_total_traffic"),
        ({"proxy_region": "Germany"}, "two capital letters"),
        ({"execute_limit_time_seconds": 10**9}, "seven days"),
        ({"egress_allow": ["no port"]}, "host:port"),
    ],
)
def test_invalid_run_options_are_refused(
    platform: Booted, system: dict[str, Any], text: str
) -> None:
    slug = platform.push(python_project("print(1)"), "bad-system")
    body = {"scraper_slug": slug, "input": {"parameters": {"system": system, "custom": {}}}}
    answer = platform.raw("/api/v1/scraper/run", body)
    assert (answer.status_code, answer.json()["code"]) == (400, 4000)
    assert text in answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"x"', b"\xff\xfe", b'{"a":NaN}', b"{} {}", b'{"a":' * 5000, b"null"],
)
def test_a_body_that_is_not_a_json_object_is_refused(platform: Booted, body: bytes) -> None:
    answer = platform.raw("/api/v1/scraper/run", body)
    assert (answer.status_code, answer.json()["code"]) == (400, 4000)


@pytest.mark.parametrize("version", ["v9.9.9", "1", "v1", 2, ["v1.0.1"]])
def test_the_error_for_an_unknown_version_names_the_latest(platform: Booted, version: Any) -> None:
    slug = platform.push(python_project("print(1)"), "bad-version")
    first = _latest(platform, slug)
    platform.push(python_project(f"print({version!r})"), "bad-version")
    latest = _latest(platform, slug)
    assert latest != first
    body = {
        "scraper_slug": slug, "version": version, "input": {"parameters": {"custom": {}}},
    }  # fmt: skip
    answer = platform.raw("/api/v1/scraper/run", body)
    assert (answer.status_code, answer.json()["code"]) == (400, 4000)
    assert f"the latest is {latest}" in answer.json()["message"]


def _latest(platform: Booted, slug: str) -> str:
    answer = httpx2.get(
        f"{platform.url}/api/scraper", params={"slug": slug}, headers={"api-key": platform.key}
    )
    return str(answer.json()["data"]["version"])


def test_large_integers_keep_their_digits_from_the_input_to_the_file(platform: Booted) -> None:
    """2^63 and a number of forty digits: in the request, the Worker, rows and exports."""
    big, forty = 2**63, 10**39 + 7
    copies = (
        "from sdk import CoreSDK\n"
        "CoreSDK.Result.push_data(CoreSDK.Parameter.get_input_json_dict())\n"
    )
    schema = {"properties": [{"name": "big", "type": "integer"}]}
    slug = platform.push(python_project(copies, schema=schema), "big-numbers")
    run = platform.start_run(slug, {"big": big, "forty": forty, "below": -(2**63) - 1})
    platform.ended(run)
    assert platform.rows(run) == [{"big": big, "forty": forty, "below": -(2**63) - 1}]
    again = platform.call("/api/v1/rerun", {"run_slug": run})["run_slug"]
    platform.ended(again)
    assert platform.rows(again) == platform.rows(run)
    texts = {}
    for kind in ("json", "csv", "jsonl", "xml"):
        body = {"run_slug": run, "format": kind}
        link = platform.call("/api/v1/run/result/export", body)["download_url"]
        texts[kind] = httpx2.get(link).text
        assert str(big) in texts[kind], kind
        assert str(forty) in texts[kind], kind
    assert json.loads(texts["json"])[0]["forty"] == forty
    [row] = csv.DictReader(io.StringIO(texts["csv"]))
    assert int(row["forty"]) == forty


# --- dependencies -----------------------------------------------------------------------------


def test_contradictory_requirements_are_refused(platform: Booted) -> None:
    project = python_project("print(1)", requirements="grpcio==1.80.0\ngrpcio==1.81.0\n")
    run = platform.start_run(platform.push(project, "bad-requirements"))
    detail = platform.ended(run)
    assert detail["status"] == FAILED
    assert detail["err_msg"].startswith("The dependencies could not be installed: ")
    assert "grpcio==1.80.0" in detail["err_msg"]
    entries = platform.call("/api/v1/run/last/log", {"run_slug": run})["list"]
    text = "\n".join(e["content"] for e in entries if e["type"] == 4)
    assert "grpcio==1.80.0" in text
    assert "grpcio==1.81.0" in text
    assert "unsatisfiable" in platform.log_text(run)


def test_the_error_for_an_unsupported_requirement_names_it(platform: Booted) -> None:
    project = python_project("print(1)", requirements="--index-url http://a.example\nrich\n")
    slug_or_refusal = httpx2.post(
        f"{platform.url}/api/v2/workers/owner~bad-index/versions",
        files={"scraper_file": ("worker.zip", project)},
        headers={"api-key": platform.key},
    ).json()
    if slug_or_refusal["code"] == 0:
        detail = platform.ended(platform.start_run(slug_or_refusal["data"]["slug"]))
        assert detail["status"] == FAILED
        message = detail["err_msg"]
    else:
        message = slug_or_refusal["message"]
    assert "--index-url" in message


# --- names and links --------------------------------------------------------------------------


def _raw_request(platform: Booted, *headers: str) -> tuple[int, dict[str, Any]]:
    """Send a request with exactly these header bytes."""
    host, _, port = platform.url.removeprefix("http://").partition(":")
    lines = ["GET /api/proxy/region HTTP/1.1", *headers, "Connection: close", "", ""]
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall("\r\n".join(lines).encode())
        answer = b""
        while data := connection.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    "headers",
    [
        ["Host: evil.example"],
        ["Host: 127.0.0.1.evil.example"],
        ["Host: localhost@evil.example"],
        ["Host: localhost", "Host: evil.example"],
        ["Host: "],
        ["X-Nothing: 1"],
    ],
)
def test_an_unknown_host_name_is_refused(platform: Booted, headers: list[str]) -> None:
    status, body = _raw_request(platform, *headers)
    assert (status, body["code"]) == (400, 4000)


def test_the_host_names_of_this_machine_are_accepted(platform: Booted) -> None:
    for host in ("localhost", "LOCALHOST:80", "127.0.0.1:8100", "[::1]"):
        assert _raw_request(platform, f"Host: {host}")[0] == 200


def test_links_are_absolute_and_ignore_untrusted_forwarding_headers(platform: Booted) -> None:
    run = platform.start_run(platform.push(zoo("upserts"), "links"))
    platform.ended(run)
    forged = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https",
              "forwarded": "host=evil.example"}  # fmt: skip
    for link in (*platform.links(run), *platform.links(run, **forged)):
        assert link.startswith(f"{platform.url}/files/")
        answer = httpx2.get(link, follow_redirects=False)
        assert answer.status_code == 200
        assert answer.content
    changed = platform.links(run)[0].replace("/files/", "/files/A")
    assert httpx2.get(changed).status_code == 404


def test_a_run_of_another_account_is_not_found(platform: Booted) -> None:
    other = platform.new_account("stranger")
    run = platform.start_run(platform.push(zoo("upserts"), "links"))
    platform.ended(run)
    for path in ("run/detail", "run/result/list", "run/result/export", "run/last/log",
                 "scraper/abort"):  # fmt: skip
        answer = platform.raw(f"/api/v1/{path}", {"run_slug": run, "format": "csv"}, key=other)
        assert (answer.status_code, answer.json()["code"]) == (404, 70001), path
    private = platform.raw(
        "/api/v1/scraper/run",
        {"scraper_slug": platform.push(zoo("upserts"), "links"), "input": {"x": 1}},
        key=other,
    )
    assert (private.status_code, private.json()["code"]) == (404, 50001)
