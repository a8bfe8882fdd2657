"""Where traces are sent to, and what is said if the packages for it are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.app import traces
from fyke.app.prepare import prepare
from fyke.app.traces import open_exporter
from fyke.errors import Conflict
from fyke.notify.otlp import OtlpExporter
from fyke.settings import Settings

COLLECTOR = "http://collector.example.com:4318"


def test_without_a_collector_there_are_none(tmp_path: Path) -> None:
    assert open_exporter(Settings(home=tmp_path), "server") is None
    made = open_exporter(Settings(home=tmp_path, otlp_endpoint=COLLECTOR), "server")
    assert isinstance(made, OtlpExporter)
    made.close()


def test_missing_packages_are_named_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "PACKAGES", ("opentelemetry_missing.sdk", "no_such_package"))
    settings = Settings(home=tmp_path / "home", otlp_endpoint=COLLECTOR)
    for start in (lambda: prepare(settings, print), lambda: open_exporter(settings, "server")):
        with pytest.raises(Conflict, match=r'otlp_endpoint needs .* install .*whl\[otel\]"'):
            start()
    assert not settings.home.exists()


def test_the_address_has_no_login(tmp_path: Path) -> None:
    for address in ("collector:4318", "http://me:secret@collector:4318"):
        with pytest.raises(ValueError, match="no login"):
            Settings(home=tmp_path, otlp_endpoint=address)
