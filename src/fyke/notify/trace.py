"""The steps of one test call to an address."""

from __future__ import annotations

import time

from fyke.contracts.delivery import DeliveryStep, StepName

# the step after each one, which is the failed one when there are no more
_NEXT: dict[str, StepName] = {
    "": "resolve",
    "resolve": "connect",
    "connect": "send",
    "send": "answer",
}


class Trace:
    """Records each step when it is done."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.steps: list[DeliveryStep] = []

    def done(self, name: StepName, detail: str) -> None:
        """Record a step with its result."""
        self.steps.append(DeliveryStep(name, detail, self._elapsed()))

    def fail(self, reason: str) -> None:
        """Record that the next step failed."""
        last = self.steps[-1].name if self.steps else ""
        self.steps.append(
            DeliveryStep(_NEXT.get(last, "answer"), reason, self._elapsed(), ok=False)
        )

    def _elapsed(self) -> int:
        return round((time.monotonic() - self._started) * 1000)
