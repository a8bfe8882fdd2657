"""The archive that explains a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from starlette.responses import Response

from fyke.api.call import Call
from fyke.api.diagnosis.archive import ZIP_MEDIA, diagnosis_file
from fyke.api.fyke.runs import RUN
from fyke.api.routes import get
from fyke.domain.runs.diagnosis import Diagnoses
from fyke.errors import RunNotFound
from fyke.model.account import Scope
from fyke.wire.fyke.run_diagnosis import DiagnosisQuery
from fyke.wire.v1 import RunSlug


@dataclass(frozen=True, slots=True)
class RunDiagnosisRoutes:
    tag: ClassVar[str] = "Runs"

    diagnoses: Diagnoses

    @get(f"{RUN}/diagnosis", scope=Scope.READ, errors=(RunNotFound,), produces=(ZIP_MEDIA,))
    async def diagnose_run(self, call: Call, slug: RunSlug, query: DiagnosisQuery) -> Response:
        """One archive that explains a run: cause, remedy, figures, log, sites, curves, last page.

        A ZIP with `diagnosis.md`, `run.json`, `input.json`, `events.json`, `attempts.json` (the
        first 1,000 subtasks), `sites.csv`, `usage.csv` and `log.txt` (the last 10,000 entries); if
        there are any, also `install.log`, `browser.json`, `requests.csv` and the files of the last
        page. Secrets are masked, but not in the picture, and not in input fields
        that neither ask for a secret nor are named like one.
        """
        return await diagnosis_file(self.diagnoses, call.caller, slug, picture=query.picture)
