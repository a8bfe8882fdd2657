"""The splitting rules: worked examples, error texts, and properties of random input."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.runs.split import MAX_COPIED, is_empty, split
from fyke.domain.workers.input_schema import InputSchema, parse
from fyke.errors import InvalidRequest


def schema(
    fields: list[Any] | None = None,
    remove: list[Any] | None = None,
    b: str | None = None,
    types: dict[str, str] | None = None,
) -> InputSchema:
    document: dict[str, Any] = {
        "properties": [{"name": name, "type": kind} for name, kind in (types or {}).items()]
    }
    if fields is not None:
        document["concurrency"] = {"fields": fields}
        if remove is not None:
            document["concurrency"]["remove_fields"] = remove
    if b is not None:
        document["b"] = b
    return parse(json.dumps(document))


MAPS = schema(["keywords", "google_maps_urls", "place_ids"], ["keywords"])

EXAMPLES: list[tuple[str, InputSchema, dict[str, Any], list[dict[str, Any]]]] = [
    (
        "preferred fields win and the removed one is gone",
        MAPS,
        {
            "keywords": ["pizza", "iphone"],
            "google_maps_urls": ["urlA", "urlB"],
            "place_ids": [],
            "base_location": "NY",
        },
        [
            {"google_maps_urls": ["urlA"], "place_ids": [""], "base_location": "NY"},
            {"google_maps_urls": ["urlB"], "place_ids": [""], "base_location": "NY"},
        ],
    ),
    (
        "without preferred items the fallback field works",
        MAPS,
        {
            "keywords": ["pizza", "iphone"],
            "google_maps_urls": [],
            "place_ids": [""],
            "base_location": "NY",
        },
        [
            {
                "keywords": [word],
                "google_maps_urls": [""],
                "place_ids": [""],
                "base_location": "NY",
            }
            for word in ("pizza", "iphone")
        ],
    ),
    (
        "a union, not a product",
        schema(["a", "b2"]),
        {"a": [1, 2], "b2": ["x"]},
        [{"a": [1], "b2": [""]}, {"a": [2], "b2": [""]}, {"a": [""], "b2": ["x"]}],
    ),
    (
        "keys of an object item win",
        schema(["startUrl"]),
        {"startUrl": [{"url": "u1", "n": 5}, {"url": "u2"}], "n": 1},
        [{"n": 5, "url": "u1"}, {"n": 1, "url": "u2"}],
    ),
    (
        "b, with an item that has a key of the same name",
        schema(b="url"),
        {"url": [{"url": "u1"}, {"url": "u2"}]},
        [{"url": "u1"}, {"url": "u2"}],
    ),
    (
        "b, with other keys",
        schema(b="urls"),
        {"urls": [{"url": "p1"}], "max_results": 3},
        [{"max_results": 3, "url": "p1"}],
    ),
    (
        "b, with plain items",
        schema(b=" ids "),
        {"ids": ["25025320", "9"]},
        [{"ids": ["25025320"]}, {"ids": ["9"]}],
    ),
    ("no field named", schema(), {"any": [1, 2], "x": None}, [{"any": [1, 2], "x": None}]),
    (
        "a field that is no array",
        schema(["location"], types={"location": "string"}),
        {"location": "NYC"},
        [{"location": "NYC"}],
    ),
    (
        "a field that is no array and absent",
        schema(["location"], types={"location": "string"}),
        {"n": 1},
        [{"n": 1}],
    ),
    ("b that is no array", schema(b="u", types={"u": "string"}), {"u": "x"}, [{"u": "x"}]),
    (
        "absent fields become the empty item",
        schema(["a", "z"]),
        {"a": [1]},
        [{"a": [1], "z": [""]}],
    ),
    (
        "blank names in fields are ignored, so b counts",
        schema([" ", 3, None], b="ids"),
        {"ids": [7]},
        [{"ids": [7]}],
    ),
    ("concurrency wins over b", schema(["a"], b="z"), {"a": [1], "z": [2]}, [{"a": [1], "z": [2]}]),
    (
        "empty items are passed over",
        schema(["a"]),
        {"a": [None, {"x": {"y": [], "z": " "}}, {"x": 0}, {}]},
        [{"x": 0}],
    ),
    ("b passes over empty items too", schema(b="a"), {"a": ["", "x", None]}, [{"a": ["x"]}]),
    (
        "false and zero mean something",
        schema(["a"]),
        {"a": [False, 0]},
        [{"a": [False]}, {"a": [0]}],
    ),
    (
        "a removed name outside of fields is ignored",
        schema(["a"], ["z"]),
        {"a": [1], "z": 2},
        [{"a": [1], "z": 2}],
    ),
]


@pytest.mark.parametrize(
    ("rules", "custom", "expected"),
    [example[1:] for example in EXAMPLES],
    ids=[example[0] for example in EXAMPLES],
)
def test_worked_examples(
    rules: InputSchema, custom: dict[str, Any], expected: list[dict[str, Any]]
) -> None:
    before = copy.deepcopy(custom)
    assert split(rules, custom) == expected
    assert custom == before


ERRORS: list[tuple[InputSchema, Any, str]] = [
    (schema(), [1], "custom parameters must contain a single JSON object"),
    (schema(["a"]), {"a": [None, {}, {"x": []}]}, "concurrency fields have no non-empty fields"),
    (schema(["a"]), {}, "concurrency fields have no non-empty fields"),
    (schema(b="X"), {"y": 1}, "missing concurrency field [X]"),
    (schema(["X"], types={"X": "array"}), {"X": "s"}, "field [X] must be an array"),
    (schema(b="X", types={"X": "array"}), {"X": {}}, "field [X] must be an array"),
    (schema(b="X"), {"X": []}, "concurrency field [X] is empty"),
    (schema(b="X"), {"X": None}, "concurrency field [X] is empty"),
    (schema(b="X"), {"X": [" "]}, "concurrency field [X] is empty"),
    (
        schema(["X"]),
        {"X": ["", "a", ["b"]]},
        "item at index 2 in [X] must be an object or primitive value",
    ),
    (schema(b="X"), {"X": [[]]}, "item at index 0 in [X] must be an object or primitive value"),
    (schema(["X"]), {"X": ["a", None, {}]}, "field [X] must not mix object and primitive items"),
    (schema(b="X"), {"X": [{"a": 1}, ""]}, "field [X] must not mix object and primitive items"),
    (schema(["X"]), {"X": list(range(1001))}, "concurrency_num (1001) exceeds limit (1000)"),
    (schema(b="X"), {"X": list(range(1001))}, "concurrency_num (1001) exceeds limit (1000)"),
]


@pytest.mark.parametrize(("rules", "custom", "text"), ERRORS)
def test_error_texts(rules: InputSchema, custom: Any, text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        split(rules, custom)
    assert caught.value.message == text


def test_unreadable_schema() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse("{")
    assert caught.value.message == "input_schema is not a valid json"


def test_limit_is_a_parameter() -> None:
    rules = schema(["a", "z"])
    custom = {"a": [1, 2], "z": [3]}
    assert len(split(rules, custom, limit=3)) == 3
    with pytest.raises(InvalidRequest, match=r"concurrency_num \(3\) exceeds limit \(2\)"):
        split(rules, custom, limit=2)


def test_big_integers_survive() -> None:
    number = 2**80 + 1
    assert split(schema(["a"]), {"a": [number]}) == [{"a": [number]}]


def test_deep_items_do_not_exhaust_the_stack() -> None:
    item: Any = {}
    for _ in range(50_000):
        item = {"x": item}
    assert is_empty(item)
    while item:  # unnest it in a loop, because freeing it would recurse deeply
        item = item["x"]


# --- properties --------------------------------------------------------------------------------

primitives = st.one_of(
    st.none(), st.text(max_size=3), st.integers(), st.booleans(), st.just(" "), st.just("")
)
objects = st.dictionaries(st.sampled_from(["a", "b", "u", "v"]), primitives, max_size=3)
arrays = st.one_of(st.lists(primitives, max_size=5), st.lists(objects, max_size=5))
customs = st.dictionaries(st.sampled_from(["a", "b", "c", "k", "m"]), arrays, max_size=5)
names = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True)


@given(fields=names, remove=names, custom=customs)
def test_splitting_properties_of_random_input(
    fields: list[str], remove: list[str], custom: dict[str, Any]
) -> None:
    before = copy.deepcopy(custom)
    good = {name: [item for item in custom.get(name, []) if not is_empty(item)] for name in fields}
    try:
        parts = split(schema(fields, remove), custom)
    except InvalidRequest as error:
        assert not any(good.values())
        assert error.message == "concurrency fields have no non-empty fields"
        return
    finally:
        assert custom == before
    preferred = [name for name in fields if name not in remove and good[name]]
    active = preferred or [name for name in fields if good[name]]
    expected = [(name, item) for name in active for item in good[name]]
    assert len(parts) == len(expected)  # a union, in order
    for part, (name, item) in zip(parts, expected, strict=True):
        if isinstance(item, dict):
            assert all(part[key] == value for key, value in item.items())
        else:
            assert part[name] == [item]
        for key in custom.keys() - set(fields) - (item.keys() if isinstance(item, dict) else set()):
            assert part[key] == custom[key]


@given(custom=customs)
def test_without_split_fields_the_input_is_one_subtask(custom: dict[str, Any]) -> None:
    parts = split(schema(), custom)
    assert parts == [custom]
    assert parts[0] is not custom


def test_an_item_that_is_a_list_is_not_empty() -> None:
    assert not is_empty([])
    assert not is_empty([[]])


def test_removed_fields_stay_when_no_other_field_is_active() -> None:
    only_removed = schema(["a", "b2"], ["a"])
    assert split(only_removed, {"a": [1], "b2": []}) == [{"a": [1], "b2": [""]}]
    both_removed = schema(["a", "b2"], ["a", "b2"])
    assert split(both_removed, {"a": [1], "b2": []}) == [{"a": [1], "b2": [""]}]


def test_plain_values_are_not_split() -> None:
    assert split(schema(["a"]), {"a": "x"}) == [{"a": "x"}]
    declared = schema(["a", "b2"], types={"a": "string", "b2": "array"})
    with pytest.raises(InvalidRequest, match="no non-empty fields"):
        split(declared, {})
    assert split(schema(["a"], types={"a": "string"}), {}) == [{}]


def test_an_object_item_replaces_a_field_that_it_does_not_name() -> None:
    assert split(schema(["a"]), {"a": [{"url": "x"}], "k": 1}) == [{"url": "x", "k": 1}]
    assert split(schema(b="a"), {"a": [{"url": "x"}]}) == [{"url": "x"}]


@pytest.mark.parametrize("split_by", [{"fields": ["a"]}, {"b": "a"}])
def test_the_copies_of_an_input_are_limited(split_by: dict[str, Any]) -> None:
    custom = {"a": [{"n": n} for n in range(100)], "shared": "x" * (MAX_COPIED // 100)}
    with pytest.raises(InvalidRequest, match="copied into 100 subtasks, 67,"):
        split(schema(**split_by), custom)
    assert len(split(schema(**split_by), {**custom, "shared": "x" * (MAX_COPIED // 101)})) == 100
    assert len(split(schema(**split_by), {**custom, "a": [1]})) == 1
