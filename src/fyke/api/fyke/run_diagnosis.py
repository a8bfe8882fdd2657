"""The archive that explains a run, and texts about runs without the secrets in their inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from starlette.responses import Response

from fyke.api.call import Call
from fyke.api.diagnosis.archive import ZIP_MEDIA, diagnosis_file
from fyke.api.fyke.runs import RUN
from fyke.api.routes import get, post
from fyke.domain.runs.diagnosis import Diagnoses
from fyke.domain.runs.input_secrets import InputSecretFinder
from fyke.errors import RunNotFound
from fyke.model.account import Scope
from fyke.wire.fyke.run_diagnosis import DiagnosisQuery, HiddenTexts, TextsToHideIn
from fyke.wire.v1 import RunSlug


@dataclass(frozen=True, slots=True)
class RunDiagnosisRoutes:
    tag: ClassVar[str] = "Runs"

    diagnoses: Diagnoses
    input_secrets: InputSecretFinder

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

    @post("/api/fyke/hidden-texts", scope=Scope.READ, errors=(RunNotFound,))
    async def hide_secrets(self, call: Call, body: TextsToHideIn) -> HiddenTexts:
        """Hide the secrets in the inputs of runs in texts about these runs.

        In the same way as in the archive: values of fields that ask for a secret or are named like
        one, in all their encodings. For texts that are passed on, such as reasons and log lines;
        nothing is stored.
        """
        return HiddenTexts(await self.input_secrets.hide(call.caller, body.pairs))
