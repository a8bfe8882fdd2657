"""The language of a page: as declared, otherwise by its script or its small words.

Small words (articles, prepositions, pronouns) make up a third of any text, so their number
identifies a language within a few sentences.
"""

# ruff: noqa: RUF001 - letters of other alphabets are intended

from __future__ import annotations

import re
from collections import Counter

_DECLARED = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_WORD = re.compile(r"[^\W\d_]+")
_SAMPLE = 20_000  # characters
_MIN_WORDS = 20
_MIN_SHARE = 0.12  # of small words among all words
_LEAD = 1.15  # of the best language over the second
_SMALL_WORDS = {
    "bg": "на и за се от да не че са по със като това но при или който както ще още",
    "ca": "el la els les de del que i en amb per una un és al no més com són aquesta",
    "cs": "a se v na že je s z do o k i ale po jako jsem který jsou také bylo by pro nebo",
    "da": "og i at det er en til på af for med den ikke som der et de har var jeg fra",
    "de": "der die und das den von zu mit sich des auf für ist im dem nicht ein eine als auch",
    "el": "και το του της η να με για που την τα στο από είναι των δεν τον στην μια οι",
    "en": "the of and to in a is that for it as with on be by this are or from an not which",
    "es": "el la de que y en los del se las por un una con no es para al lo como más",
    "et": "ja on et ei see kui oma ka ning mis aga või ta oli kes nii mida selle veel",
    "fi": "ja on ei että se oli hän mutta ovat kun mukaan myös joka tai sekä kuin jos ole",
    "fr": "le la les de des et en un une du est que dans qui pour par sur au plus avec pas",
    "hr": "i u je na se da za su od s koji iz što kao to ne ili bi biti samo koja bio",
    "hu": "a az és hogy nem is egy ez volt meg de csak mint már van ki még vagy el azt",
    "id": "yang dan di dengan untuk ini dari dalam itu pada adalah tidak akan oleh ke juga atau",
    "it": "il di che e la in un per non una con del i è le si da della dei al sono",
    "lt": "ir yra kad su iš į ne kaip tai bet buvo jis už apie ar taip nuo tik po dar",
    "lv": "un ir ka ar no par uz kas bet tas lai arī vai kā nav pie gan tiek pēc var",
    "nb": "og i det er en til på av for med den ikke som å et de har var jeg fra etter",
    "nl": "de het een van en in is dat op te zijn met voor niet die er aan ook als bij",
    "pl": "w i na z się do nie że jest to o jak po od za ale przez co są dla czy oraz",
    "pt": "de a o que e do da em um para com não uma os no na por mais as dos como ao é",
    "ro": "și în de la a cu pe nu că este din un o care pentru mai sau au fost fi se",
    "ru": "и в не на что с он как по это но из к у за от о для же так или было бы",
    "sk": "a v na sa že je s z do o k i ale po ako som ktorý sú tiež bolo by pre alebo",
    "sl": "in je v na se da so za z ki pa ne tudi kot po bi iz od ali pri še lahko",
    "sv": "och i att det som en på är av för med den till inte har de ett om var jag från",
    "tr": "ve bir bu da de için ile olarak çok daha ne gibi olan en ya kadar sonra var mi",
    "uk": "і в на що не з та до у за це як від є але для про або бути вже також які",
    "vi": "và của là có trong cho các được với những một không để người này đã về khi từ",
}
_SETS = {code: frozenset(words.split()) for code, words in _SMALL_WORDS.items()}
_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),  # before Chinese, because Japanese uses its characters
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
)


def declared(*values: str) -> str | None:
    """The first valid language tag, with the language in lower case; None without one."""
    for value in values:
        first = value.split(",")[0].strip().replace("_", "-")
        if _DECLARED.fullmatch(first):
            head, dash, tail = first.partition("-")
            return f"{head.lower()}{dash}{tail}"
    return None


def guess(text: str) -> str | None:
    """The language of a text; None when it is too short or unclear."""
    sample = text[:_SAMPLE].lower()
    letters = sum(1 for char in sample if char.isalpha())
    for code, script in _SCRIPTS:
        if letters >= _MIN_WORDS and len(script.findall(sample)) >= letters * 0.2:
            return code
    words = Counter(_WORD.findall(sample))
    total = sum(words.values())
    if total < _MIN_WORDS:
        return None
    scores = sorted((sum(words[word] for word in small), code) for code, small in _SETS.items())
    (second, _), (best, code) = scores[-2:]
    return code if best >= total * _MIN_SHARE and best >= second * _LEAD else None
