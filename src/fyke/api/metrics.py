"""The metrics of the installation and of this server, for Prometheus.

They need a key of the operator, or the token in the setting ``metrics_token``. The token gives
access to nothing else, and is checked without the database.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope as AsgiScope

from fyke import __version__
from fyke.api.auth import credential
from fyke.api.call import Call
from fyke.api.media import Media
from fyke.api.request_meter import RequestMeter
from fyke.api.routes import get
from fyke.domain.installation.metrics import InstallationMetrics
from fyke.errors import Forbidden
from fyke.model.account import Scope
from fyke.telemetry.exposition import CONTENT_TYPE, Metric, MetricKind, text_of

PATH = "/metrics"
_SAMPLE = 'fyke_waiting_runs{pool="default"} 3\n'


@dataclass(frozen=True, slots=True)
class MetricsRoutes:
    """``server`` is the name of this process in the labels of its own metrics."""

    tag: ClassVar[str] = "Operator"

    installation: InstallationMetrics
    meter: RequestMeter
    server: str

    @get(
        PATH,
        scope=Scope.ADMIN,
        errors=(Forbidden,),
        produces=(Media("text/plain", {"type": "string"}, _SAMPLE),),
    )
    async def get_metrics(self, call: Call) -> Response:
        """Metrics of the installation and of this server, in the text format of Prometheus.

        For the operator. The token in the setting `metrics_token` opens it too.
        """
        return self._answer(await self.installation.read(call.caller))

    async def answer_token(self, request: Request) -> Response:
        """The same for a request with the token."""
        return self._answer(await self.installation.read_all())

    def _answer(self, of_installation: list[Metric]) -> Response:
        build = Metric("fyke_build_info", MetricKind.GAUGE, "Always 1; the release is a label.")
        build.add(1, server=self.server, version=__version__)
        text = text_of([build, *of_installation, *self.meter.metrics(self.server)])
        return Response(text, media_type=CONTENT_TYPE)


class TokenRoute(Route):
    """Answers requests with the token; the operation answers all others, and counts them."""

    def __init__(self, routes: MetricsRoutes, token: str) -> None:
        super().__init__(PATH, routes.answer_token, methods=["GET"])
        self._token = token.encode()

    def matches(self, scope: AsgiScope) -> tuple[Match, AsgiScope]:
        if scope.get("path") != PATH or scope.get("method") != "GET":
            return Match.NONE, {}
        sent = (credential(scope) or "").encode()
        if not hmac.compare_digest(sent, self._token):
            return Match.NONE, {}
        scope["route"] = self  # the access log contains its path
        return super().matches(scope)
