"""Converters of path parameters."""

from __future__ import annotations

import pytest
from starlette.routing import compile_path

import fyke.api.v2  # noqa: F401 - registers the converters


@pytest.mark.parametrize(
    ("template", "path", "parameter"),
    [
        ("/workers/{w:worker}", "/workers/01KJ", "01KJ"),
        ("/workers/{w:worker}", "/workers/owner~name", "owner~name"),
        ("/workers/{w:worker}", "/workers/owner/name", "owner/name"),
        ("/workers/{w:worker}/runs", "/workers/owner/name/runs", "owner/name"),
        ("/workers/{w:worker}/runs", "/workers/01KJ/runs", "01KJ"),
        ("/workers/{w:worker}/runs/last", "/workers/a/b/runs/last", "a/b"),
        ("/workers/{w:worker}", "/workers/01KJ/runs", None),
        ("/workers/{w:worker}", "/workers/a/b/c", None),
        ("/workers/{w:worker}", "/workers/01KJ/input-schema", None),
        ("/workers/{w:worker}", "/workers/a/runsome", "a/runsome"),
        ("/worker-runs/{r:run}", "/worker-runs/01KJ", "01KJ"),
        ("/worker-runs/{r:run}", "/worker-runs/last", None),
        ("/worker-runs/{r:run}/abort", "/worker-runs/last/abort", None),
        ("/worker-runs/{r:run}", "/worker-runs/lastly", "lastly"),
    ],
)
def test_path_parameters_match_the_right_segments(
    template: str, path: str, parameter: str | None
) -> None:
    regex, _, _ = compile_path(template)
    match = regex.match(path)
    assert (match and next(iter(match.groupdict().values()))) == parameter
