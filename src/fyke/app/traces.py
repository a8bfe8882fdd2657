"""Where traces are sent to, as the settings say."""

from __future__ import annotations

from importlib.util import find_spec

from fyke.contracts.traces import SpanExporter
from fyke.errors import Conflict
from fyke.settings import Settings

PACKAGES = "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"
MISSING = (
    "otlp_endpoint needs the packages of OpenTelemetry: install "
    '"./fyke-VERSION-py3-none-any.whl[otel]" of the release, as script/up does'
)


def check_packages(settings: Settings) -> None:
    """Raise ``Conflict`` if traces are to be sent and the packages for it are missing."""
    if settings.otlp_endpoint and not all(map(_is_installed, PACKAGES)):
        raise Conflict(MISSING)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # a package that contains it
        return False


def open_exporter(settings: Settings, server: str) -> SpanExporter | None:
    """The exporter of traces; None if there is no collector. ``server`` is the name of this
    process. Raises ``Conflict`` as above.
    """
    if not settings.otlp_endpoint:
        return None
    check_packages(settings)
    from fyke.notify.otlp import OtlpExporter  # 15 MB that only those need who have a collector

    return OtlpExporter(settings.otlp_endpoint, server)
