"""The stored form of every kind of row; everything else is unchanged."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.results import rows
from fyke.domain.results.rows import RowRefused, decode_row
from fyke.model.results import MAX_ROW_BYTES, PushedRow
from support.examples import examples


def data(pushed: bytes | str) -> bytes:
    return decode_row(pushed if isinstance(pushed, bytes) else pushed.encode()).row.data


def warnings(pushed: bytes | str) -> tuple[str, ...]:
    return decode_row(pushed if isinstance(pushed, bytes) else pushed.encode()).warnings


@pytest.mark.parametrize(
    ("pushed", "stored"),
    [
        ('{"a": 1, "b": [1, 2]}', b'{"a":1,"b":[1,2]}'),
        (' \n{ "a" : { "b" : "x  y" } } ', b'{"a":{"b":"x  y"}}'),
        ("{}", b"{}"),
        ('"{\\"a\\": 1}"', b'{"a":1}'),
        ('"[1, 2]"', b'{"value":[1,2]}'),
        ('"5"', b'{"value":5}'),
        ('"just text"', b'{"value":"just text"}'),
        ('"\\"twice\\""', b'{"value":"twice"}'),
        ("[1, {}]", b'{"value":[1,{}]}'),
        ("null", b'{"value":null}'),
        (" 7 ", b'{"value":7}'),
        ("true", b'{"value":true}'),
        ('""', b'{"value":""}'),
        ("", b'{"__raw":""}'),
        ("hello", b'{"__raw":"hello"}'),
        ('{"a": 01}', b'{"__raw":"{\\"a\\": 01}"}'),
        ('{"a":1} x', b'{"__raw":"{\\"a\\":1} x"}'),
        ('{"":1,"__proto__":{"x":2}}', b'{"":1,"__proto__":{"x":2}}'),
        ('{"a":1,"b":2,"a":3}', b'{"a":3,"b":2}'),
        ('{"__coreclaw_data_id__":"7","a":1}', b'{"a":1}'),
        ('{"a":"\\u0000"}', b'{"a":"\\u0000"}'),
        ('{"a":"\\ud83d\\ude00"}', b'{"a":"\\ud83d\\ude00"}'),
        ('{"a":"\\\\ud800"}', b'{"a":"\\\\ud800"}'),
        ('{"a":"NaN","b":"-Infinity"}', b'{"a":"NaN","b":"-Infinity"}'),
    ],
)
def test_rows_as_they_are_stored(pushed: str, stored: bytes) -> None:
    assert data(pushed) == stored
    assert warnings(pushed) == ()


@pytest.mark.parametrize(
    "number",
    [
        "9223372036854775808",
        "-9223372036854775809",
        "9007199254740993",
        "1" * 40,
        "1" + "0" * 400,
        "3.14159265358979323846264338327950288",
        "1.10",
        "1E5",
        "1.5E+10",
        "1e-400",
        "-0",
        "0.0",
    ],
)
def test_numbers_keep_their_digits(number: str) -> None:
    assert (
        data(f'{{"n": {number}, "in": [{number}]}}') == f'{{"n":{number},"in":[{number}]}}'.encode()
    )
    assert data(number) == f'{{"value":{number}}}'.encode()


@pytest.mark.parametrize(
    "number", ["1e400", "-1E+999", "9" * 4301, "-" + "9" * 4301, "1" * 310 + ".0"]
)
@pytest.mark.parametrize("padding", ["", "x" * 70_000])
def test_numbers_too_large_for_json_parsers_are_stored_as_text(number: str, padding: str) -> None:
    pushed = f'{{"n":[{number},1e5],"s":"1e400 {padding}"}}'
    assert data(pushed) == f'{{"n":["{number}",1e5],"s":"1e400 {padding}"}}'.encode()
    assert warnings(pushed) == (rows.NUMBER_TOO_LARGE,)
    assert json.loads(data(pushed))["n"][0] == number


@pytest.mark.parametrize(
    ("pushed", "stored"),
    [
        ('{"a": NaN, "b": [Infinity, -Infinity, "NaN"]}', {"a": None, "b": [None, None, "NaN"]}),
        ("NaN", {"value": None}),
        ('"{\\"a\\": NaN}"', {"a": None}),
    ],
)
def test_not_a_number_becomes_null_with_one_warning(pushed: str, stored: Any) -> None:
    assert json.loads(data(pushed)) == stored
    assert warnings(pushed) == (rows.NOT_A_NUMBER,)


@pytest.mark.parametrize("pushed", ['{"a": NaNNaN}', "xNaN", '{"a": Infinity', '{"a" NaN}'])
def test_text_with_nan_that_is_not_json(pushed: str) -> None:
    assert json.loads(data(pushed)) == {"__raw": pushed}
    assert warnings(pushed) == ()


@pytest.mark.parametrize(
    ("pushed", "stored"),
    [
        (b'{"a":"\\ud800"}', {"a": "\ufffd"}),
        (b'{"a":"\\uDC00x\\uD83D"}', {"a": "\ufffdx\ufffd"}),
        (b'{"a":"\\ud800\\ud83d\\ude00"}', {"a": "\ufffd\U0001f600"}),
        (b'{"a":["\\\\\\udfff"],"\\ud9ab":1}', {"a": ["\\\ufffd"], "\ufffd": 1}),
        (b'{"a":"\xed\xa0\x80"}', {"a": "\ufffd"}),
        (b'{"a":["\xff"],"\xc3":1}', {"a": ["\ufffd"], "\ufffd": 1}),
        (b'"{\\"a\\":\\"\\\\ud800\\"}"', {"a": "\ufffd"}),
        (b"\xff\xfe", {"__raw": "\ufffd\ufffd"}),
    ],
)
def test_broken_text_becomes_the_replacement_character(pushed: bytes, stored: Any) -> None:
    assert json.loads(data(pushed)) == stored
    assert warnings(pushed) == (rows.BROKEN_TEXT,)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("inner", ["1", '"]]}}[["', "[[],{}]"])
def test_rows_deeper_than_the_limit_are_refused(opening: str, inner: str) -> None:
    closing = "]" if opening == "[" else "}"
    room = 64 - (2 if inner.startswith("[") else 0)
    assert data(opening * room + inner + closing * room)
    with pytest.raises(RowRefused, match="64 levels"):
        decode_row((opening * (room + 1) + inner + closing * (room + 1)).encode())


def test_many_members_do_not_count_as_depth() -> None:
    pushed = json.dumps({"a": [[[]]] * 1000, "b": [{"c": "["}] * 1000})
    assert json.loads(data(pushed)) == json.loads(pushed)


@pytest.mark.parametrize("levels", [100_000, 1_000_000])
def test_extreme_depth_is_refused(levels: int) -> None:
    with pytest.raises(RowRefused, match="64 levels"):
        decode_row(b"[" * levels + b"]" * levels)
    with pytest.raises(RowRefused, match="64 levels"):
        decode_row(b'{"a":' * levels)


def test_the_size_limit_is_exact() -> None:
    def row(size: int) -> bytes:
        return b'{"a":"' + b"x" * (size - 8) + b'"}'

    assert len(data(row(MAX_ROW_BYTES))) == MAX_ROW_BYTES
    with pytest.raises(RowRefused, match="8388608 bytes"):
        decode_row(row(MAX_ROW_BYTES + 1))


@pytest.mark.slow
def test_the_size_of_a_row_encoded_twice_is_that_of_the_decoded_row() -> None:
    inner = json.dumps({"quotes": '"' * 2_500_000})
    outer = json.dumps(inner)
    assert len(inner) < MAX_ROW_BYTES < len(outer)
    assert json.loads(data(outer)) == json.loads(inner)
    with pytest.raises(RowRefused, match="8 MiB"):
        decode_row(json.dumps(json.dumps({"a": "x" * MAX_ROW_BYTES})).encode())


@pytest.mark.parametrize(
    "pushed",
    [
        b"x" * (MAX_ROW_BYTES + 1),
        b'"' + b"x" * (MAX_ROW_BYTES + 1) + b'"',
        b'"' + b"x" * (MAX_ROW_BYTES + 1),
        b"\x01" * (MAX_ROW_BYTES // 2),
        b'["' + b"x" * MAX_ROW_BYTES + b'"]',
    ],
)
def test_too_large_rows_are_refused_in_every_form(pushed: bytes) -> None:
    with pytest.raises(RowRefused, match="8 MiB"):
        decode_row(pushed)


def test_five_thousand_keys_keep_their_order() -> None:
    value = {f"key {i}": i for i in range(5000)}
    assert list(json.loads(data(json.dumps(value))).items()) == list(value.items())


@pytest.mark.parametrize(
    ("pushed", "expected"),
    [
        (
            '{"id":7,"__coreclaw_upsert_key__":"id","__coreclaw_upsert_value__":"7"}',
            PushedRow(b'{"id":7}', "id", "7"),
        ),
        (
            '{"id":1.0,"__coreclaw_upsert_value__":1.0,"__coreclaw_upsert_key__":"id"}',
            PushedRow(b'{"id":1.0}', "id", "1.0"),
        ),
        (
            '{"__coreclaw_upsert_value__":"a\\u0000b","__coreclaw_upsert_key__":"id"}',
            PushedRow(b"{}", "id", "a\\u0000b"),
        ),
        ('{"a":1,"__coreclaw_upsert_key__":"id"}', PushedRow(b'{"a":1}')),
        ('{"a":1,"__coreclaw_upsert_value__":"x"}', PushedRow(b'{"a":1}')),
        (
            '{"a":1,"__coreclaw_upsert_key__":"","__coreclaw_upsert_value__":"x"}',
            PushedRow(b'{"a":1}'),
        ),
        ('{"in":{"__coreclaw_upsert_key__":"id"}}', None),
    ],
)
def test_upsert_markers(pushed: str, expected: PushedRow | None) -> None:
    row = decode_row(pushed.encode()).row
    assert row == (expected or PushedRow(pushed.encode()))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**62, 2**70)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
json_objects = st.dictionaries(
    st.text().filter(lambda key: not key.startswith("__coreclaw")), json_values
)


def check_object(value: dict[str, Any], ascii_only: bool, twice: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    pushed = json.dumps(text) if twice else text
    decoded = decode_row(pushed.encode())
    assert json.loads(decoded.row.data) == value
    assert msgspec.json.decode(decoded.row.data) == value
    assert decoded.row.data == msgspec.json.format(decoded.row.data, indent=-1)
    assert decoded.warnings == ()


@examples(30, 300)
@given(json_objects, st.booleans(), st.booleans())
def test_objects_are_stored_unchanged(value: dict[str, Any], ascii_only: bool, twice: bool) -> None:
    check_object(value, ascii_only, twice)


def random_value(random: Random, depth: int) -> Any:
    """A random value; faster than Hypothesis for large counts."""
    kind = random.randrange(10 if depth else 7)
    if kind == 0:
        return random.choice([None, True, False, "", 0, -0.0, 2**53 + 1, 10**40, -(2**63) - 1])
    if kind <= 2:
        return random.getrandbits(random.choice([8, 31, 53, 64, 200])) - random.getrandbits(30)
    if kind == 3:
        return random.uniform(-1, 1) * 10.0 ** random.randrange(-300, 300)
    if kind <= 6:
        return random_text(random)
    size = random.randrange(4)
    if kind == 7:
        return [random_value(random, depth - 1) for _ in range(size)]
    return {random_text(random): random_value(random, depth - 1) for _ in range(size)}


def random_text(random: Random) -> str:
    letters = 'ab "\\/\x00\x1f\n\x7f\u00e9\u2028\ufffd\uffff\U0001f600[]{}:,NaN'
    return "".join(random.choices(letters, k=random.randrange(12)))


def check_many(seed: int, count: int) -> None:
    random = Random(seed)
    for _ in range(count):
        value = {random_text(random): random_value(random, 4) for _ in range(random.randrange(6))}
        check_object(value, random.random() < 0.5, random.random() < 0.3)


@pytest.mark.slow
def test_many_random_objects_are_stored_unchanged() -> None:
    check_many(0, 5000)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 11))
def test_a_hundred_thousand_random_objects_are_stored_unchanged(seed: int) -> None:
    check_many(seed, 10_000)


@examples(75, 300)
@given(json_values)
def test_other_values_are_stored_under_value(value: Any) -> None:
    if isinstance(value, (dict, str)):
        value = [value]
    assert json.loads(data(json.dumps(value))) == {"value": value}


broken = (
    st.binary()
    | st.text(st.characters(codec=None)).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.lists(
        st.sampled_from(
            [
                *b'{ } [ ] : , " \\ \\u \\ud83d d800 NaN - Infinity 1 e400 1e999 a \xff'.split(),
                *[b'"a":', b"null", b'{"a":', b" ", b"9" * 400, b"\xed\xa0\x80"],
            ]
        ),
        max_size=30,
    ).map(b"".join)
)


@examples(250, 1000)
@given(broken)
def test_any_bytes_become_a_valid_json_object(pushed: bytes) -> None:
    stored = decode_row(pushed).row.data
    assert isinstance(json.loads(stored), dict)
    assert isinstance(msgspec.json.decode(stored), dict)
    assert stored.decode().encode() == stored
