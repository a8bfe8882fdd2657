"""Both halves of the client: the same methods; where server and key come from."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

import fyke
import fyke_client
from fyke_client import AsyncFyke, AsyncFykeAdmin, Fyke, FykeAdmin

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("half", "other"), [(Fyke, AsyncFyke), (FykeAdmin, AsyncFykeAdmin)])
def test_both_halves_have_the_same_methods(half: type, other: type) -> None:
    names = {name for name in dir(half) if not name.startswith("_")}
    assert names - {"close"} == {n for n in dir(other) if not n.startswith("_")} - {"aclose"}
    assert len(names) > 40
    for name in names - {"close"}:
        signature = inspect.signature(getattr(half, name))
        assert signature.parameters == inspect.signature(getattr(other, name)).parameters


def test_the_generated_modules_are_current() -> None:
    command = [sys.executable, "script/lib/client_files.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_client_and_platform_have_one_version() -> None:
    assert fyke_client.__version__ == fyke.__version__


def sent_by(*arguments: str | None) -> httpx2.Request:
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(200, json={"code": 0, "message": "", "data": {"version": "1"}})

    with Fyke(*arguments, transport=httpx2.MockTransport(answer)) as client:
        client.version()
    return requests[0]


def test_server_and_key_come_from_arguments_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FYKE_URL", raising=False)
    monkeypatch.setenv("FYKE_KEY", "from-environment")
    request = sent_by()
    assert str(request.url) == "http://127.0.0.1:8100/version"
    assert request.headers["authorization"] == "Bearer from-environment"
    monkeypatch.setenv("FYKE_URL", "https://fyke.test/")
    assert str(sent_by().url) == "https://fyke.test/version"
    monkeypatch.setenv("FYKE_URL", "")
    assert str(sent_by().url) == "http://127.0.0.1:8100/version"
    assert sent_by("http://a.test", "k").headers["authorization"] == "Bearer k"
    assert "authorization" not in sent_by("http://a.test", "").headers


@pytest.mark.parametrize("url", ["foo", "localhost:8100", "ftp://fyke.test"])
def test_a_url_that_cannot_be_that_of_a_server_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="must start with http:// or https://"):
        Fyke(url, "k")


def test_the_key_is_in_no_representation() -> None:
    client = Fyke("http://fyke.test", "scraper_api_SECRET")
    texts = [repr(client), str(client), repr(client._connection._http.server)]
    assert [text for text in texts if "SECRET" in text] == []
    with pytest.raises(fyke_client.ClientError) as caught:
        Fyke("http://127.0.0.1:1", "scraper_api_SECRET", retries=0).version()
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("key", ["SECRET\nSECRET", "SECRET SECRET", "SECRET\x7f", "SECRETé"])
def test_an_unusable_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="the key contains") as caught:
        Fyke("http://127.0.0.1:1", key)
    assert "SECRET" not in str(caught.value)


def test_spaces_around_a_key_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FYKE_KEY", " k\n")
    for request in (sent_by("http://a.test"), sent_by("http://a.test", "k\r\n")):
        assert request.headers["authorization"] == "Bearer k"


@pytest.mark.parametrize("url", ["http://me:SECRET@a.test", "me:SECRET@a.test", "http://SECRET@a"])
def test_a_url_with_a_password_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="a user and a password") as caught:
        Fyke(url, "k")
    assert "SECRET" not in str(caught.value)


def test_any_operation_can_be_requested() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        data = {"method": request.method, "url": str(request.url), "body": request.content.decode()}
        return httpx2.Response(200, json={"code": 0, "message": "", "data": data})

    client = Fyke("http://fyke.test", "", transport=httpx2.MockTransport(answer))
    assert client.request("GET", "/api/x", query={"a": 1}) == {
        "method": "GET",
        "url": "http://fyke.test/api/x?a=1",
        "body": "",
    }
    typed = client.request("POST", "/api/x", body={"a": 1}, answer_type=dict[str, str])
    assert typed["body"] == '{"a":1}'


def test_a_module_that_is_missing_is_an_attribute_error() -> None:
    for module in (fyke_client, fyke_client.types):
        with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
            module.Nothing  # noqa: B018


@pytest.mark.parametrize("page", ["docs/how-to/python-client.md", "clients/python/README.md"])
def test_the_code_of_the_pages_is_python_and_its_methods_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert shown
    for code in shown:
        compile(code, page, "exec")
    methods = set(re.findall(r"\bfyke\.(\w+)\(", "".join(shown)))
    assert methods
    assert methods <= set(dir(Fyke))
