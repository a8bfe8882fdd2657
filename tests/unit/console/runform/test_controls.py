"""The controls of a form: names, choices, rows, errors."""

from __future__ import annotations

import json
from typing import Any

from fyke.console.runform.controls import BLANK_ROWS, Control, groups, ids_of, options
from fyke.domain.forms.describe import describe
from fyke.domain.forms.model import InputError
from fyke.domain.forms.pairs import FormContent, content_of
from fyke.domain.forms.system import BROWSER_FIELDS, FIELDS, NODE_FIELDS
from support import all_editors

FORM = describe(json.dumps(all_editors.SCHEMA))


def controls(
    custom: dict[str, Any] | None = None, *errors: InputError, sent: FormContent | None = None
) -> dict[str, Control]:
    sent = sent or content_of(FORM, custom or {}, {})
    found = [control for group in groups(FORM, sent, errors) for control in group.controls]
    return {item.field.name: item for item in found}


def test_the_section_of_an_error_is_open() -> None:
    found = groups(FORM, FormContent(), [InputError("custom.sort", "must be 1 or 2")])
    sections = [(item.caption, item.open) for item in found]
    assert sections[:2] == [("", False), ("What to keep", True)]
    assert sum(len(item.controls) for item in found) == len(FORM.fields)


def test_an_error_links_to_the_id_of_its_control() -> None:
    found = controls({}, InputError("custom.city", "is too long"))
    assert len(found["city"].faults) == 1
    assert not found["sort"].faults
    ids = ids_of(FORM)
    assert ids["custom.city"] == found["city"].id
    [memory] = [item for item in options(FormContent(), [], 0)[0] if item.field.name == "memory"]
    assert (ids["system.memory"], memory.name) == (memory.id, "s:memory")


def test_options_of_a_browser_are_shown_where_runs_have_one() -> None:
    plain, of_browser = options(FormContent(), [], 1024, has_nodes=True)
    names = [item.field.name for item in (*plain, *of_browser)]
    assert names == list(FIELDS)
    assert {item.field.name for item in of_browser} == BROWSER_FIELDS
    assert of_browser[0].field.description == "For the browser of each subtask; empty: 1,024 MB."
    assert [(item.empty, bool(item.choices)) for item in of_browser] == [
        ("", False),
        ("Worker default", True),
        ("Default of this installation", True),
        ("", True),
    ]
    assert options(content_of(FORM, {}, {}), [], 0)[1] == []


def test_an_option_of_a_browser_with_a_value_or_an_error_can_be_removed() -> None:
    sent = content_of(FORM, {}, {"browser_block": ["images"]})
    shown = options(sent, [InputError("system.browser", "must be one of")], 0)[1]
    assert [item.field.name for item in shown] == ["browser", "browser_block"]


def test_options_of_nodes_are_shown_where_there_are_nodes_or_they_have_a_value() -> None:
    def shown(sent: FormContent, *, has_nodes: bool) -> set[str]:
        plain, _ = options(sent, [], 0, has_nodes=has_nodes)
        return {item.field.name for item in plain} & NODE_FIELDS

    assert shown(FormContent(), has_nodes=False) == set()
    assert shown(FormContent(), has_nodes=True) == {"pool", "labels"}
    assert shown(content_of(FORM, {}, {"pool": "eu"}), has_nodes=False) == {"pool"}


def test_a_value_that_the_control_cannot_show_is_shown_as_json() -> None:
    made = controls({"max_results": {"a": [1]}})["max_results"]
    assert (made.mode, json.loads(made.text)) == ("json", {"a": [1]})
    assert made.extra == {"json": ("f:max_results:json", "")}


def test_a_value_that_its_control_changes_is_sent_in_addition() -> None:
    made = controls({"city": None})["city"]
    assert made.extra["was"] == ("f:city:was", "null")
    assert "was" not in controls({"city": "Graz"})["city"].extra


def test_choices_have_the_order_of_the_schema_and_chosen_ones_the_order_of_choice() -> None:
    made = controls({"parts": ["reviews", "hours"]})["parts"]
    assert [choice.label for choice in made.choices] == ["Opening hours", "Reviews", "Photos"]
    assert made.chosen_labels == "Reviews, Opening hours"
    assert made.extra["order"][0] == "f:parts:order"


def test_a_choice_missing_in_the_schema_is_kept_and_marked() -> None:
    made = controls(sent=FormContent(custom={"parts": {"": ["hours", "gone", "gone"]}}))["parts"]
    last = made.choices[-1]
    assert (last.label, last.chosen, last.declared) == ("gone", True, False)
    assert [choice.label for choice in made.selected] == ["Opening hours", "gone"]


def test_a_number_that_is_not_a_choice_is_shown_as_digits() -> None:
    made = controls(sent=FormContent(custom={"sort": {"": ["7"]}}))["sort"]
    assert made.choices[-1].label == "7"


def test_only_tables_have_a_paste_field_and_only_lists_a_key() -> None:
    further = {name: set(made.extra) - {"was"} for name, made in controls().items()}
    assert further["places"] == {"paste"}
    assert further["keywords"] == {"key"}
    assert further["parts"] == further["countries"] == {"order"}
    assert further["city"] == further["sort"] == set()


def test_long_selects_are_searchable_if_their_labels_are_unique() -> None:
    assert controls()["country"].searchable
    assert not controls()["language"].searchable
    assert controls({"country": "de"})["country"].chosen_label == "Germany"
    twice = describe(
        json.dumps(
            {
                "properties": [
                    {
                        "name": "city",
                        "type": "string",
                        "editor": "select",
                        "options": [
                            {"label": "Graz", "value": "at"},
                            {"label": "Graz", "value": "us"},
                        ],
                    }
                ]
            }
        )
    )
    [group] = groups(twice, content_of(twice, {"city": "us"}, {}), [])
    assert group.controls[0].chosen_label == "us"


def test_a_list_sends_the_key_of_its_items() -> None:
    assert controls({"keywords": [{"keyword": "tea"}]})["keywords"].extra["key"][1] == "keyword"
    made = controls(sent=FormContent(custom={"keywords": {"": ["tea"]}}))["keywords"]
    assert made.extra["key"] == ("f:keywords:key", FORM.fields["keywords"].item_key)


def test_line_ends_of_a_browser_are_normalised() -> None:
    made = controls(sent=FormContent(custom={"keywords": {"": ["a\r\nb"], "key": [""]}}))[
        "keywords"
    ]
    assert made.text == "a\nb"


def test_a_table_has_blank_rows_after_its_filled_rows() -> None:
    assert len(controls()["places"].rows) == BLANK_ROWS
    made = controls({"places": [{"url": "https://a.example"}]})["places"]
    assert len(made.rows) == 2
    assert made.rows[0][0].text == "https://a.example"
    assert made.rows[0][0].name == "f:places:0.url"
    assert made.blank[0].name == "f:places:__row__.url"


def test_a_table_that_is_shown_again_does_not_grow() -> None:
    sent = content_of(FORM, {"places": [{"url": "https://a.example"}]}, {})
    for _ in range(3):
        rows = controls(sent=sent)["places"].rows
        assert len(rows) == 2
        for number, row in enumerate(rows):  # as the browser sends it back
            for cell in row:
                sent.custom["places"][f"{number}.{cell.field.name}"] = [cell.text]


def test_the_error_of_a_cell_is_shown_in_its_row() -> None:
    """Empty rows are not counted."""
    cells = {"0.url": ["https://a.example"], "1.url": [""], "2.url": ["x"], "2.depth": ["deep"]}
    wrong = InputError("custom.places", "must be a number", row=2, column="depth")
    made = controls({}, wrong, sent=FormContent(custom={"places": cells}))["places"]
    faulty = [[cell.field.name for cell in row if cell.faults] for row in made.rows]
    assert faulty[:3] == [[], [], ["depth"]]
    [depth] = [cell for cell in made.rows[2] if cell.field.name == "depth"]
    assert made.cells[2, "depth"] == depth.id
    assert made.faults == [], "an error of a cell is not repeated at the table"
    assert (3, "depth") not in made.cells
