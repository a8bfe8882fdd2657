"""Reasons of ends, waits and refusals as data: a code with parameters.

Programs use the code. The sentence for people comes from the catalogue (``texts.py``) when it is
displayed, in the language of the reader.
"""

from fyke.reasons.codes import DetailCode, HintCode, ReasonCode
from fyke.reasons.machines import OWN_MACHINE, is_own_machine, machine_name, machine_names
from fyke.reasons.model import Detail, Hint, Params, Reason
from fyke.reasons.sentences import (
    cause,
    check_name,
    detail_sentence,
    next_step,
    reason_with_detail,
    remedy_of,
    rule_of,
    sentence,
)

__all__ = [
    "OWN_MACHINE",
    "Detail",
    "DetailCode",
    "Hint",
    "HintCode",
    "Params",
    "Reason",
    "ReasonCode",
    "cause",
    "check_name",
    "detail_sentence",
    "is_own_machine",
    "machine_name",
    "machine_names",
    "next_step",
    "reason_with_detail",
    "remedy_of",
    "rule_of",
    "sentence",
]
