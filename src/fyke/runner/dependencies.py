"""What the attempts and the preparations of a runner need of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fyke.contracts.egress import NO_BROWSER, Egress
from fyke.contracts.execution import Environments, IsolationReport, Sandboxes
from fyke.contracts.node import EnvironmentPublishing, NodeGateway
from fyke.domain.results.intake import Intake
from fyke.runner.browser_dependencies import BrowserDependencies
from fyke.runner.bundles import BundleCache
from fyke.runner.disk import RunnerDisk
from fyke.runner.egress_rules import EgressRules
from fyke.runner.run_notes import RunNotes
from fyke.runner.site_sharing import SiteSharing


@dataclass(frozen=True, slots=True)
class AttemptDependencies:
    """One for all attempts of a runner."""

    gateway: NodeGateway
    sandbox: Sandboxes
    environments: Environments
    egress: Egress
    intake: Intake
    bundles: BundleCache
    isolation: IsolationReport
    unsafe: bool
    work_bytes: int  # limit of the Worker's own folder
    egress_rules: EgressRules
    site_sharing: SiteSharing | None = None  # None: sites are not shared with other machines
    publishing: EnvironmentPublishing | None = None  # only beside the stores of the installation
    browser: BrowserDependencies | None = None  # None: every connection to a browser gets a 503
    no_browser: str = NO_BROWSER  # why
    isolation_notes: RunNotes = field(default_factory=RunNotes)
    disk: RunnerDisk | None = None  # None: that of a local run
