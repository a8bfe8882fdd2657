"""The ``input`` of a start, as the document describes it.

What it means is read in ``domain/runs/request.py``; here it only has to be an object. A member that
is empty or null is as good as absent, and numbers may come as text.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from fyke.api.decode import to_object

_NUMBER = {"type": ["number", "string", "null"]}


def _member(description: str) -> dict[str, Any]:
    return {**_NUMBER, "description": description}


_SYSTEM = {
    "type": ["object", "null"],
    "description": "the machine and its limits; each member may be left out",
    "properties": {
        "cpus": _member("cores; absent: what goes with the memory"),
        "memory": _member("MB, rounded up to 512, 1024, 2048, 4096, 8192 or 16384"),
        "execute_limit_time_seconds": _member("0 or absent: the worker's own limit"),
        "max_total_charge": _member("US dollars; 0 = no limit"),
        "max_total_traffic": _member("MB; 0 = no limit"),
        "proxy_region": {
            "type": ["string", "null"],
            "description": "two capital letters such as US",
        },
        "egress_allow": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": "private addresses as host:port that the operator lets a run reach",
        },
    },
}

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "parameters": {
            "type": ["object", "null"],
            "properties": {
                "system": _SYSTEM,
                "custom": {
                    "type": ["object", "null"],
                    "description": "what the worker's input schema asks for",
                },
            },
        }
    },
}

RunInput = Annotated[
    dict[str, Any],
    BeforeValidator(to_object),
    Field(description="an object without `parameters` is taken as `custom`"),
    WithJsonSchema(SCHEMA),
]
