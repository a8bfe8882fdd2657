"""Values are masked in every encoding, and other text is unchanged."""

from __future__ import annotations

import base64
import html
import json
import re
import time
import urllib.parse
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fyke.domain.results.rows import decode_row
from fyke.domain.secrets.encodings import MAX_LINES, encodings
from fyke.domain.secrets.masking import Masker
from fyke.domain.workers.secret_rules import check_value
from fyke.errors import InvalidFields

VALUES = ['p@ss w/ö"rd\\x&<', "hunter2!", "a" * 6, "123456", "user=ada; id='7'", "päss wörd 🔑"]
BEFORE, AFTER = ("", "x", "xy", "user:", "Bearer "), ("", ":", "tail")


def _valid(value: str) -> bool:
    try:
        check_value(value)
    except InvalidFields:
        return False
    return "*" not in value


SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40).filter(_valid)


def test_what_a_browser_makes_of_a_value_is_found() -> None:
    value = """~it's *my* "key"&<1>"""
    masker = Masker({"KEY": value})
    form = "%7Eit%27s+*my*+%22key%22%26%3C1%3E"
    attribute = "~it's *my* &quot;key&quot;&amp;&lt;1&gt;"
    for spelled in (form, form.replace("%7E", "%7e").replace("C1%3E", "c1%3e"), attribute):
        assert masker.text(f"<{spelled}>") == "<***KEY***>", spelled


LINES = "-----BEGIN 'KEY'-----\nMII/E+abc==\n\n<x> & \"y\"\n"
CRLF = LINES.replace("\n", "\r\n")


def _replaced(text: str, *pairs: tuple[str, str]) -> str:
    for character, written in pairs:
        text = text.replace(character, written)
    return text


_JINJA = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&#34;"), ("'", "&#39;"))
_SCRIPT = (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"))
WAYS = {
    "multipart": CRLF,
    "form": urllib.parse.urlencode({"q": CRLF}),
    "form, LF": urllib.parse.urlencode({"q": LINES}),
    "form, lower": re.sub("%..", lambda m: m[0].lower(), urllib.parse.quote_plus(CRLF)),
    "mailto": urllib.parse.quote(CRLF, safe=""),
    "json": json.dumps({"q": CRLF}),
    "json of Go": _replaced(json.dumps(CRLF), *_SCRIPT),
    "json of PHP": _replaced(json.dumps(LINES), ("<", "\\u003C"), (">", "\\u003E"),
                             ("&", "\\u0026"), ("'", "\\u0027"), ("/", "\\/")),
    "textarea": f"<textarea>{html.escape(LINES, quote=False)}</textarea>",
    "attribute": html.escape(CRLF, quote=False).replace('"', "&quot;"),
    "attribute of an older browser": _replaced(LINES, ("&", "&amp;"), ('"', "&quot;")),
    "Jinja": _replaced(CRLF, *_JINJA),
    "Mustache": _replaced(html.escape(LINES), ("&#x27;", "&#39;"), ("/", "&#x2F;"),
                          ("=", "&#x3D;")),
    "XML": html.escape(CRLF).replace("&#x27;", "&apos;"),
    "line entities": _replaced(html.escape(CRLF), ("\r", "&#13;"), ("\n", "&#10;")),
    "line entities, hex": _replaced(html.escape(LINES), ("\n", "&#xA;")),
    "query of an address": _replaced(LINES, ("\n", ""), (" ", "%20"), ('"', "%22"), ("'", "%27"),
                                     ("<", "%3C"), (">", "%3E")),
    "base64": base64.b64encode(CRLF.encode()).decode(),
}  # fmt: skip


@pytest.mark.parametrize("stored", [LINES, CRLF, LINES.strip()])
@pytest.mark.parametrize("way", WAYS)
def test_lines_are_found_however_they_are_written(stored: str, way: str) -> None:
    masked = Masker({"KEY": stored}).text(f"a={WAYS[way]}&b")
    assert "***KEY***" in masked
    for part in ("BEGIN", "abc", "MII", "KEY-", 'y"', "LUJFR"):
        assert part not in masked, masked


def test_spaces_that_do_not_break_are_found_in_pages() -> None:
    value = "pass\xa0word"
    for spelled in ("pass&nbsp;word", "pass%C2%A0word", "pass\\u00A0word", "pass\\u00a0word"):
        assert Masker({"K": value}).text(f"<{spelled}>") == "<***K***>"


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("after", AFTER)
def test_every_encoding_is_found_in_the_middle_of_a_text(
    value: str, before: str, after: str
) -> None:
    text = before + value + after
    ways = {
        "plain": text,
        "json": json.dumps(text),
        "json, raw": json.dumps(text, ensure_ascii=False),
        "json twice": json.dumps({"a": text}),
        "path": urllib.parse.quote(text),
        "query": urllib.parse.urlencode({"q": text}),
        "all": urllib.parse.quote(text, safe=""),
        "repr": repr(text),
        "html": html.escape(text),
        "base64": base64.b64encode(text.encode()).decode(),
        "base64 of urls": base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
        "hex": text.encode().hex(),
        "HEX": text.encode().hex().upper(),
    }
    masker = Masker({"K": value})
    for way, spelled in ways.items():
        masked = masker.text(f"... {spelled} ...")
        assert "***" in masked, way
        assert value not in masked and len(masked) <= len(spelled) + 8, way
        row = json.loads(masker.row(json.dumps({"a": [{spelled: 1}, spelled]}).encode()))
        assert spelled not in json.dumps(row), way


def test_the_name_is_shown_unless_it_is_longer_than_the_value() -> None:
    masker = Masker({"LOGIN": "a long enough value", "L": "short one", "LONG_NAME": "tiny-one"})
    text = masker.text("<a long enough value> <short one> <tiny-one>")
    assert text == "<***LOGIN***> <***L***> <***>"


def test_a_value_in_another_is_masked_as_the_longer_one() -> None:
    masker = Masker({"SHORT": "abcdef", "LONG_ONE": "abcdef-abcdef-ghi"})
    assert masker.text("abcdef-abcdef-ghi") == "***LONG_ONE***"


def test_host_names_are_in_lower_case() -> None:
    masker = Masker({"KEY": "AbC-123-dEf"})
    assert masker.host("abc-123-def.evil.example") == "***KEY***.evil.example"
    assert masker.host("4162432d3132332d644566.evil.example") == "***KEY***.evil.example"
    assert masker.host("abc.example") == "abc.example"


def test_a_value_is_found_in_either_case() -> None:
    masker = Masker({"KEY": "AbC-123-dEf"})
    for text in ("x=AbC-123-dEf", "abc-123-def.evil.example"):
        assert masker.finds(text)
    assert not masker.finds("ABC-123-DEF\n x")


def test_lines_of_a_value_are_masked_one_by_one() -> None:
    masker = Masker({"KEY": "-----BEGIN-----\nMIIEabcdef\r\n  indented line\nend\n"})
    for line in ("-----BEGIN-----", "MIIEabcdef", "indented line"):
        assert "***" in masker.text(f"at {line}.")
    assert masker.text("end") == "end", "too short to be anything"
    whole = json.dumps("-----BEGIN-----\nMIIEabcdef\r\n  indented line\nend\n")
    assert masker.text(whole) == '"***KEY***"'


def test_the_number_of_searches_is_bounded_for_a_value_of_many_lines() -> None:
    value = "\n".join(f"{n:07}" + "x" * (n % 50) for n in range(1500))
    assert len(encodings(value)) < MAX_LINES + 40
    masker = Masker({"KEY": value})
    longest = max(value.split("\n"), key=len)
    assert masker.text(longest) == "***KEY***" and masker.text(value) == "***KEY***"


def test_a_row_without_a_value_is_the_same_object() -> None:
    masker = Masker({"KEY": "hunter2!"})
    for row in (b'{"a":1}', b'{"a":"\\u00e4 \\n"}', b'{"a":123456789012345678901234567890}'):
        assert masker.row(row) is row


def test_values_in_unusual_json_escapes_are_masked() -> None:
    masker = Masker({"KEY": "hunter2/x"})
    odd = "".join(f"\\u{ord(c):04x}" for c in "hunter2/x")
    assert masker.row(b'{"' + odd.encode() + b'":"hunter2\\/x","n":1.50}') == (
        b'{"***KEY***":"***KEY***","n":1.50}'
    )


def test_numbers_become_text_and_others_keep_their_digits() -> None:
    masker = Masker({"P": "123456"})
    row = b'{"a":123456,"b":-9123456.5,"c":1.50,"d":[123456,12345],"e":"\\n"}'
    assert masker.row(row) == b'{"a":"***","b":"-9***.5","c":1.50,"d":["***",12345],"e":"\\n"}'


def test_keys_that_are_equal_after_masking_become_one() -> None:
    masker = Masker({"K": "hunter2!", "L": "hunter3!"})
    masked = json.loads(
        masker.row(b'{"hunter2!":1,"68756e7465723221":2,"hunter3!":3,"hunter2!":4}')
    )
    assert masked == {"***K***": 4, "***L***": 3}


def test_a_value_across_the_quotes_of_a_row_does_not_break_it() -> None:
    masker = Masker({"ODD": '1,"b":2'})
    assert masker.row(b'{"a":1,"b":2}') == b'{"a":1,"b":2}'
    assert json.loads(masker.row(b'{"a":"1,\\"b\\":2"}')) == {"a": "***"}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | st.text("xyz ", max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz"), inner, max_size=3),
    max_leaves=6,
)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [t for k, v in value.items() for t in (k, *_texts(v))]
    if isinstance(value, list):
        return [t for item in value for t in _texts(item)]
    return [value] if isinstance(value, str) else []


@given(SECRETS, PLAIN, st.booleans(), st.sampled_from(["{}", "x{}", '"{}"', "a\n{}\\"]))
@example("xxxxxx", {"x": "xxxxxxxxx"}, True, "{}")
@example('","":"', {}, True, "{}")
def test_a_masked_row_is_valid_and_contains_no_value(
    secret: str, plain: Any, ascii: bool, around: str
) -> None:
    text = around.replace("{}", secret)
    pushed = json.dumps({"a": plain, "b": {text: [text]}, text: text}, ensure_ascii=ascii)
    masker = Masker({"SOME_NAME": secret})
    data = decode_row(pushed.encode()).row.data
    masked = masker.row(data)
    assert len(masked) <= len(data)
    for found in _texts(json.loads(masked)):
        assert secret not in found


@given(SECRETS, st.text("ab\n*x", max_size=20), st.text("ab\n*x", max_size=20))
def test_a_masked_text_contains_no_value(secret: str, before: str, after: str) -> None:
    masked = Masker({"N": secret}).text(before + secret + after)
    assert secret not in masked
    assert "***" in masked


def test_a_password_is_found_in_addresses_and_in_headers_of_any_user() -> None:
    password = "Jq3-_zQx7LrVn0Tt8mWcYb2eKd5sHfGa"
    masker = Masker({"LOGIN": "hunter2secret"}, {"PROXY_AUTH": password})
    for user in ("01KSFDS8XWTJME33C08XMCR6B9", "01KSFDS8XWTJME33C08XMCR6B9-one", "u"):
        header = base64.b64encode(f"{user}:{password}".encode()).decode()
        text = f"ws://{user}:{password}@127.0.0.1:9222/ Basic {header} hunter2secret"
        masked = masker.text(text)
        assert masked.startswith(f"ws://{user}:***PROXY_AUTH***@127.0.0.1:9222/ Basic ")
        assert header[len(user) * 4 // 3 + 4 : -4] not in masked and "hunter2" not in masked
        row = masker.row(json.dumps({"error": text}).encode())
        assert password.encode() not in row and b"***PROXY_AUTH***@" in row


def _component(text: str) -> str:
    return urllib.parse.quote(text, safe="-_.!~*'()")  # encodeURIComponent


@pytest.mark.parametrize("value", [*VALUES, LINES.strip(), "~it's *my* key!", "100% a+b%25c"])
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("escaped", [_component, urllib.parse.quote, urllib.parse.quote_plus])
def test_a_value_in_an_address_within_an_address_is_found(
    value: str, times: int, escaped: Any
) -> None:
    masker = Masker({"KEY": f"key-{value}"})
    address, expected = escaped(f"key-{value}"), "***KEY***"
    for _ in range(times):
        address = f"https://on.example/?to={_component('/%2F?q=' + address)}&n=%2525+%25"
        expected = f"https://on.example/?to={_component('/%2F?q=' + expected)}&n=%2525+%25"
    assert masker.text(address) == expected
    lower = re.sub("%(?:25)*[0-9A-F]{2}", lambda match: match[0].lower(), address)
    assert masker.text(lower).lower() == expected.lower()
    for key in ("a", "a\n"):
        row = json.dumps({key: address}).encode()
        assert json.loads(masker.row(row)) == {key: expected}


def test_encodings_that_were_escaped_again_cost_little_more_than_one() -> None:
    masker = Masker({f"KEY{n}": f'<p@ss "w{n}/x&y=z>' for n in range(20)})
    again = [text.replace("%", "%25") for text, _ in masker._escaped]
    signs = "%25" * 20_000

    def seconds(text: str) -> float:
        started = time.process_time()
        assert "p%25" not in masker.text(text)
        return time.process_time() - started

    one = max(seconds(again[0] + signs) for _ in range(3))
    assert seconds("".join(again) + signs) < 10 * one


def test_values_next_to_and_in_each_other_are_masked_when_escaped_again() -> None:
    masker = Masker({"ONE": "a%b/cd", "TWO": "xa%b/cd/xyz"})
    one, two = "a%252525b%25252Fcd", "xa%252525b%25252Fcd%25252Fxyz"
    assert masker.text(f"%25{one}{two}{one}%2525") == "%25***ONE******TWO******ONE***%2525"
