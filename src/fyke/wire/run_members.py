"""Members of runs, in the answers of several dialects."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from fyke.model.run import Origin, Outcome
from fyke.wire.common import known_values

OutcomeText = Annotated[str, known_values(["", *Outcome], "how it ended; empty before its end")]
ReasonText = Annotated[str, Meta(description="`reason_code` as an English sentence")]
Bytes = Annotated[int, Meta(ge=0, description="bytes")]
OriginName = Literal["api", "api_v2", "web", "schedule"]

ORIGIN_NAMES: dict[Origin, OriginName] = {
    Origin.API: "api",
    Origin.API_V2: "api_v2",
    Origin.WEB: "web",
    Origin.SCHEDULE: "schedule",
    Origin.TEST: "web",  # v1 has no name for test runs
}
