"""The outcome of each reason."""

from __future__ import annotations

from fyke.domain.runs.outcome import OUTCOMES, end_of
from fyke.model.run import End, Outcome
from fyke.reasons import Reason, ReasonCode
from fyke.reasons.codes import ENDS


def test_every_end_reason_has_an_outcome_and_every_failure_has_a_reason() -> None:
    assert set(OUTCOMES) == set(ENDS)
    assert set(OUTCOMES.values()) == set(Outcome) - {Outcome.SUCCEEDED, Outcome.RETURNED}


def test_an_end_has_its_reason_and_the_english_sentence() -> None:
    reason = Reason.of(ReasonCode.TIMEOUT, seconds=5)
    message = "Timeout: the run went over its execute_limit_time_seconds of 5 s"
    assert end_of(reason) == End(Outcome.TIMEOUT, message, reason)


def test_secrets_are_masked_in_the_sentence_and_in_every_parameter() -> None:
    end = end_of(Reason.of(ReasonCode.EXIT_CODE, exit_code=1, last_words="key s3cret is wrong"))
    masked = end.masked(lambda text: text.replace("s3cret", "***"))
    assert masked.message == "The Worker exited with code 1: key *** is wrong"
    assert masked.reason == Reason.of(
        ReasonCode.EXIT_CODE, exit_code=1, last_words="key *** is wrong"
    )
