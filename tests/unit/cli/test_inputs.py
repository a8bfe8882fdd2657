from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.inputs import read_input
from fyke.cli.run_options import GivenOptions


def test_no_argument_is_an_empty_input() -> None:
    assert read_input(None) == ({}, {})


def test_an_input_is_json_a_file_or_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "in.json"
    file.write_bytes(b'\xef\xbb\xbf{"n": 18446744073709551616}')
    stdin = SimpleNamespace(buffer=io.BytesIO(b'{"from": "stdin"}'))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert read_input(' {"a": 1}') == ({"a": 1}, {})
    assert read_input(str(file)) == ({"n": 2**64}, {})
    assert read_input("-") == ({"from": "stdin"}, {})


def test_an_input_of_the_api_is_split() -> None:
    whole = '{"parameters": {"system": {"memory": 1024}, "custom": {"a": 1}}}'
    assert read_input(whole) == ({"a": 1}, {"memory": 1024})
    assert read_input('{"parameters": {"custom": {"a": 1}}}') == ({"a": 1}, {})


@pytest.mark.parametrize(
    ("argument", "word"),
    [
        ("nowhere.json", "nowhere.json"),
        ("{bad", "line 1, column 2"),
        ('{"a": NaN}', "NaN"),
        ('{"parameters": {"custom": []}}', "custom"),
        ('{"parameters": {"system": 1, "custom": {}}}', "system"),
    ],
)
def test_invalid_inputs_are_refused(argument: str, word: str) -> None:
    with pytest.raises(CommandFailed, match=word) as caught:
        read_input(argument)
    assert caught.value.code is Exit.USAGE


def test_a_file_without_a_json_object_is_refused(tmp_path: Path) -> None:
    for content, word in (
        (b"[1]", "object"),
        (b"\xff\xfe", "UTF-8"),
        (b"[" * 100_000, "JSON|deep"),
    ):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(CommandFailed, match=word):
            read_input(str(tmp_path / "x"))


def test_options_become_members_of_system() -> None:
    assert GivenOptions({"memory": None, "egress_allow": []}) == {}
    given = {
        "memory": 1024,
        "cpus": 0.5,
        "timeout": 60,
        "max_charge": 1.5,
        "max_traffic": 0,
        "region": "DE",
        "egress_allow": ["127.0.0.1:80"],
    }
    assert GivenOptions(given) == {
        "memory": 1024,
        "cpus": 0.5,
        "execute_limit_time_seconds": 60,
        "max_total_charge": 1.5,
        "max_total_traffic": 0,
        "proxy_region": "DE",
        "egress_allow": ["127.0.0.1:80"],
    }
