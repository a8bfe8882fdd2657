"""The catalogue is complete, and sentences are made of the parameters that are there."""

from __future__ import annotations

import pytest

from fyke.reasons import (
    Detail,
    DetailCode,
    Hint,
    HintCode,
    Reason,
    ReasonCode,
    cause,
    check_name,
    detail_sentence,
    next_step,
    reason_with_detail,
    remedy_of,
    rule_of,
    sentence,
)
from fyke.reasons.sentences import places
from fyke.reasons.texts import DETAILS, HINTS, SENTENCES


def test_every_code_has_its_entry() -> None:
    assert set(SENTENCES) == set(ReasonCode)
    assert set(HINTS) == set(HintCode)


@pytest.mark.parametrize("code", ReasonCode)
def test_every_form_is_taken_with_exactly_its_parameters(code: ReasonCode) -> None:
    for form in SENTENCES[code]:
        text = sentence(Reason(code, dict.fromkeys(places(form), "x")))
        assert text and not text.endswith(".") and "%(" not in text and "?" not in text
        assert text == _filled(form)


def _filled(form: str) -> str:
    for name in places(form):
        form = form.replace(f"%({name})s", "x")
    return form


@pytest.mark.parametrize("code", HintCode)
def test_every_hint_has_a_cause_and_a_next_step(code: HintCode) -> None:
    found = Hint(code, dict.fromkeys(places(HINTS[code].cause[-1]), "x"))
    for text in (cause(found), next_step(found)):
        assert text and not text.endswith(".") and "%(" not in text and "?" not in text


def test_values_are_shown_by_their_units() -> None:
    cap = Reason.of(ReasonCode.RUN_CHARGE_CAP, limit_micros=400_000)
    assert "the cap of 0.4 USD" in sentence(cap)
    rows = Reason.of(ReasonCode.ROW_CAP, max_rows=1_000_000)
    assert sentence(rows).endswith("limit of 1,000,000 rows")
    assert sentence(Reason.of(ReasonCode.DISK_CAP, limit_mb=64)).endswith("over 64 MB")
    assert sentence(Reason.of(ReasonCode.TRAFFIC_CAP, traffic_bytes=97)).endswith(
        "of 0.000097 MB was reached"
    )


def test_every_detail_has_its_entry() -> None:
    assert set(DETAILS) == set(DetailCode)


@pytest.mark.parametrize("code", DetailCode)
def test_a_detail_has_a_rule_and_perhaps_a_remedy(code: DetailCode) -> None:
    named = places(DETAILS[code].rule[0]).union(*map(places, DETAILS[code].remedy))
    detail = Detail(code, dict.fromkeys(named, "x"))
    text = detail_sentence(detail)
    assert text.startswith(rule_of(detail)) and text.endswith(remedy_of(detail))
    assert not text.endswith(".") and "%(" not in text and "?" not in text


def test_a_detail_is_translated_inside_the_sentence() -> None:
    detail = Detail.of(DetailCode.OPTION_REFUSED, option="-r")
    reason = reason_with_detail(ReasonCode.BAD_REQUIREMENT, detail, file="requirements.txt", line=3)
    assert reason.params["detail"] == detail_sentence(detail)
    chinese = {
        "The dependencies could not be installed: %(file)s line %(line)s: %(detail)s": (
            "无法安装依赖:%(file)s 第 %(line)s 行:%(detail)s"
        ),
        "the option '%(option)s' is not accepted": "不接受选项 '%(option)s'",
        "%(rule)s; %(remedy)s": "%(rule)s;%(remedy)s",
    }
    text = sentence(reason, lambda message: chinese.get(message, "…"))
    assert text == "无法安装依赖:requirements.txt 第 3 行:不接受选项 '-r';…"


def test_text_of_a_tool_is_quoted_as_it_is() -> None:
    reason = Reason.of(ReasonCode.PACKAGES_FAILED, detail="npm: 404")
    assert sentence(reason, lambda _: "无法安装依赖:%(detail)s") == "无法安装依赖:npm: 404"


def test_a_detail_of_a_newer_release_has_its_english_sentence() -> None:
    params = {"detail": "no such thing", "detail_code": "of_tomorrow"}
    assert sentence(Reason(ReasonCode.BAD_REQUIREMENT, params)).endswith(": no such thing")


def test_the_name_of_a_check_is_translated() -> None:
    reason = Reason.of(ReasonCode.ISOLATION_MISSING, level="none", check="seccomp", seen="mode 0")
    assert "check 'seccomp' failed: mode 0; see" in sentence(reason)
    chinese = {"seccomp": "系统调用过滤"}
    assert "'系统调用过滤'" in sentence(reason, lambda text: chinese.get(text, text))
    assert check_name("of tomorrow") == "of tomorrow"


def test_a_long_list_is_cut() -> None:
    sites = [f"{letter}.example" for letter in "abcde"]
    shown = cause(Hint.of(HintCode.REFUSED_SITES, sites=sites))
    assert shown.endswith(": a.example, b.example, c.example and 2 more")


def test_the_form_that_says_most_is_taken() -> None:
    withdrawn = Reason.of(ReasonCode.VERSION_WITHDRAWN, number="v1.0.0", latest="v1.0.1")
    assert sentence(withdrawn) == "version v1.0.0 was withdrawn; the latest is v1.0.1"
    assert sentence(Reason.of(ReasonCode.EXIT_CODE, exit_code=3, last_words="")) == (
        "The Worker exited with code 3"
    )


def test_a_reason_with_too_few_parameters_still_has_a_sentence() -> None:
    assert sentence(Reason(ReasonCode.TIMEOUT)).endswith("of ? s")


def test_parameters_that_hold_a_placeholder_are_not_filled_in() -> None:
    said = Reason.of(ReasonCode.EXIT_CODE, exit_code=1, last_words="%(exit_code)s 100%")
    assert sentence(said) == "The Worker exited with code 1: %(exit_code)s 100%"


def test_the_text_goes_through_the_catalogue_before_it_is_filled() -> None:
    seen = []

    def translate(text: str) -> str:
        seen.append(text)
        return "超时:%(seconds)s 秒"

    assert sentence(Reason.of(ReasonCode.TIMEOUT, seconds=5), translate) == "超时:5 秒"
    assert seen == [SENTENCES[ReasonCode.TIMEOUT][0]]
