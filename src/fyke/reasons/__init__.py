"""Why something ended, waits or was refused, as data: a code with parameters, and its sentence.

Programs read the code; the sentence is made from the catalogue (``texts.py``) where it is shown,
in the language of the reader.
"""

from fyke.reasons.codes import HintCode, ReasonCode
from fyke.reasons.model import Hint, Params, Reason
from fyke.reasons.sentences import cause, next_step, sentence

__all__ = [
    "Hint",
    "HintCode",
    "Params",
    "Reason",
    "ReasonCode",
    "cause",
    "next_step",
    "sentence",
]
