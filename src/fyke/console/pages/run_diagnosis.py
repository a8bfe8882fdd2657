"""The archive that explains a run, as a download."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.api.diagnosis.archive import diagnosis_file
from fyke.console.page import ConsolePage
from fyke.console.pages.run_frame import AREA
from fyke.console.view import View
from fyke.domain.runs.diagnosis import Diagnoses


@dataclass(frozen=True, slots=True)
class RunDiagnosisPages:
    diagnoses: Diagnoses

    def pages(self) -> list[ConsolePage]:
        return [ConsolePage("GET", "/runs/{id}/diagnosis", self.download, area=AREA, part=True)]

    async def download(self, view: View) -> Response:
        return await diagnosis_file(self.diagnoses, view.caller, view.param("id"))
