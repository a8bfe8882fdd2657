"""Declared and guessed languages."""

# ruff: noqa: RUF001 - letters of other alphabets are intended
from __future__ import annotations

import pytest
from crawler.language import declared, guess


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "The town lies between two hills, and for most of the year it is the wind from the "
               "sea that people talk about when they meet in the street."),
        ("de", "Die Stadt liegt zwischen zwei Hügeln, und die meiste Zeit des Jahres ist es der "
               "Wind von der See, über den sich die Leute auf der Straße unterhalten."),
        ("fr", "La ville se trouve entre deux collines, et pendant la plus grande partie de "
               "l'année c'est le vent de la mer dont les gens parlent dans la rue avec plaisir."),
        ("es", "La ciudad está entre dos colinas, y durante la mayor parte del año es el viento "
               "del mar de lo que habla la gente cuando se encuentra en la calle."),
        ("pt", "A cidade fica entre duas colinas, e durante a maior parte do ano é do vento do "
               "mar que as pessoas falam quando se encontram na rua com os amigos."),
        ("it", "La città si trova tra due colline, e per la maggior parte dell'anno è del vento "
               "del mare che la gente parla quando si incontra per la strada."),
        ("nl", "De stad ligt tussen twee heuvels, en het grootste deel van het jaar is het de wind "
               "van de zee waar de mensen op straat over praten als ze elkaar zien."),
        ("ru", "Город лежит между двумя холмами, и большую часть года это ветер с моря, о котором "
               "говорят люди, когда они встречаются на улице и не знают, что делать."),
        ("ja", "町は二つの丘の間にあり、一年のほとんどは海からの風が吹いています。"),
        ("zh", "小镇位于两座山之间一年中大部分时间风都从海上吹来人们在街上相遇时谈论的就是风"),
        ("ko", "마을은 두 언덕 사이에 있고 일 년 중 대부분은 바다에서 바람이 불어옵니다"),
    ],
)  # fmt: skip
def test_the_language_of_a_text_is_guessed(code: str, text: str) -> None:
    assert guess(text) == code


def test_the_language_of_an_unclear_text_is_none() -> None:
    assert guess("The town") is None
    assert guess("Zeta Omega Lambda Kappa " * 20) is None
    assert guess("1 2 3 " * 100) is None


def test_the_first_valid_declaration_is_used() -> None:
    assert declared("", "x" * 40, "EN-us, fr") == "en-us"
    assert declared("pt_BR") == "pt-BR"
    assert declared("{{lang}}", "") is None
