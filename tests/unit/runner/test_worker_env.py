"""The variables of proxy and browsers, and the targets without a proxy."""

from __future__ import annotations

import pytest

from fyke.kit.inside_names import BROWSER_NAMES
from fyke.model.worker import Language
from fyke.runner.worker_env import worker_env

OWN = {
    "PROXY_DOMAIN": "127.0.0.1:1080",
    "PROXY_AUTH": "01A:secret",
    "ChromeWs": "127.0.0.1:9222",
    "ChromeHttp": "127.0.0.1:9222",
    "LightpandaDomain": "127.0.0.1:9222",
    "CamoufoxDomain": "127.0.0.1:9222",
    "BROWSER_WS": "ws://01A:secret@127.0.0.1:9222",
    "no_proxy": "127.0.0.1,localhost",
    "NO_PROXY": "127.0.0.1,localhost",
}


@pytest.mark.parametrize("language", [Language.PYTHON, Language.GO])
def test_libraries_find_the_proxy_in_both_spellings(language: Language) -> None:
    env = worker_env(language, "01A", "secret", has_port_80=False)
    assert env.items() >= OWN.items()
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        assert env[name] == env[name.upper()] == "http://01A:secret@127.0.0.1:1080"
    assert env["no_proxy"] == env["no_grpc_proxy"]


def test_node_gets_no_proxy_variables_for_libraries() -> None:
    assert worker_env(Language.NODE, "01A", "secret", has_port_80=False) == OWN


@pytest.mark.parametrize("language", list(Language))
def test_a_worker_is_given_its_trace_if_there_is_one(language: Language) -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    env = worker_env(language, "01A", "secret", has_port_80=False, traceparent=given)
    assert env["TRACEPARENT"] == given
    assert "TRACEPARENT" not in worker_env(language, "01A", "secret", has_port_80=False)


@pytest.mark.parametrize("language", list(Language))
def test_names_of_the_browser_need_no_proxy_where_it_listens_at_their_port(
    language: Language,
) -> None:
    env = worker_env(language, "01A", "secret", has_port_80=True)
    assert env["no_proxy"] == env["NO_PROXY"] == ",".join(("127.0.0.1,localhost", *BROWSER_NAMES))
