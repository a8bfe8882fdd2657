"""The input schema of a Worker that uses every editor."""

from __future__ import annotations

from typing import Any

COUNTRIES = [
    {"label": name, "value": code}
    for code, name in (
        ("at", "Austria"), ("be", "Belgium"), ("bg", "Bulgaria"), ("ch", "Switzerland"),
        ("cz", "Czechia"), ("de", "Germany"), ("dk", "Denmark"), ("ee", "Estonia"),
        ("es", "Spain"), ("fi", "Finland"), ("fr", "France"), ("gr", "Greece"),
        ("hr", "Croatia"), ("hu", "Hungary"), ("ie", "Ireland"), ("it", "Italy"),
    )
]  # fmt: skip

SCHEMA: dict[str, Any] = {
    "description": "Finds places on a map and keeps what they say about themselves.",
    "concurrency": {"fields": ["keywords", "pages"]},
    "properties": [
        {
            "name": "keywords", "title": "Keywords", "type": "array", "editor": "stringList",
            "required": True, "description": "What to look for.",
            "default": [{"keyword": "coffee"}, {"keyword": "tea shop"}],
        },
        {
            "name": "pages", "title": "Pages", "type": "array", "editor": "requestList",
            "description": "Addresses that are read as well.",
        },
        {
            "name": "city", "title": "City", "type": "string", "editor": "input",
            "description": "Leave it empty to look everywhere.", "default": "Vienna",
        },
        {
            "name": "max_results", "title": "Maximum results", "type": "integer",
            "editor": "number", "minimum": 1, "maximum": 10000, "default": 20,
        },
        {
            "name": "places", "title": "Places", "type": "array", "editor": "requestListSource",
            "description": "Places that are known already.",
            "param_list": [
                {"param": "url", "title": "Address", "type": "string", "editor": "input",
                 "required": True},
                {"param": "depth", "title": "Depth", "type": "integer", "editor": "number"},
                {"param": "kind", "title": "Kind", "type": "string", "editor": "select",
                 "options": [{"label": "Shop", "value": "shop"}, {"label": "Bar", "value": "bar"}]},
                {"param": "photos", "title": "Photos", "type": "boolean", "editor": "switch"},
            ],
            "default": [{"url": "https://a.example/1", "depth": 2, "kind": "bar", "photos": True}],
        },
        {
            "name": "sort", "title": "Sort by", "type": "integer", "editor": "radio",
            "options": [{"label": "Distance", "value": 1}, {"label": "Rating", "value": 2}],
            "default": 2, "sectionCaption": "What to keep",
            "sectionDescription": "Less is faster.",
        },
        {
            "name": "parts", "title": "Parts", "type": "array", "editor": "checkbox",
            "options": [{"label": "Opening hours", "value": "hours"},
                        {"label": "Reviews", "value": "reviews"},
                        {"label": "Photos", "value": "photos"}],
            "default": ["reviews", "hours"],
        },
        {
            "name": "language", "title": "Language", "type": "string", "editor": "select",
            "options": [{"label": "English", "value": "en"}, {"label": "Deutsch", "value": "de"}],
            "default": "en",
        },
        {
            "name": "country", "title": "Country", "type": "string", "editor": "select",
            "options": COUNTRIES, "default": "at",
        },
        {
            "name": "countries", "title": "Further countries", "type": "array", "editor": "select",
            "multiple": True, "options": COUNTRIES, "default": ["it", "de"],
        },
        {
            "name": "closed", "title": "Also closed ones", "type": "boolean", "editor": "switch",
            "description": "Places that have closed for good.", "default": False,
        },
        {
            "name": "since", "title": "Reviews since", "type": "string", "editor": "datepicker",
            "format": "DD/MM/YYYY|relative", "default": "01/06/2026",
            "sectionCaption": "More",
        },
        {
            "name": "note", "title": "Note", "type": "string", "editor": "textarea",
            "default": "one\ntwo",
        },
        {
            "name": "headers", "title": "Headers", "type": "object", "editor": "json",
            "default": {"accept-language": "en", "x-count": 12345678901234567890},
        },
        {
            "name": "speed", "title": "Speed", "type": "number", "editor": "slider",
            "description": "Its editor is unknown.", "default": 0.5,
        },
    ],
}  # fmt: skip
