"""What serves runners: that of this machine in its process, and those of nodes in the gateway."""

from __future__ import annotations

from fyke.app.folder import master_secret
from fyke.app.runtime import Runtime
from fyke.domain.nodes.service import NodeStores
from fyke.domain.nodes.site_sharing import SiteExchange
from fyke.kit.clock import SystemClock
from fyke.kit.sealing import Sealer


def node_stores(runtime: Runtime) -> NodeStores:
    """The stores of this installation, for all runners."""
    return NodeStores(
        storage=runtime.storage,
        results=runtime.results,
        blobs=runtime.blobs,
        signals=runtime.signals,
        rules=runtime.rules,
        sealer=Sealer(master_secret(runtime.settings)),
        clock=SystemClock(),
        lease_seconds=runtime.settings.lease_seconds,
        sites=SiteExchange(runtime.storage),
        traces=bool(runtime.settings.otlp_endpoint),
    )
