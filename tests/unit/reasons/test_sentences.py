"""The catalogue is complete, and sentences are built from the existing parameters."""

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
from fyke.reasons.hint_texts import HINTS
from fyke.reasons.sentences import parameter_names
from fyke.reasons.texts import DETAILS, SENTENCES


def test_every_code_has_its_entry() -> None:
    assert set(SENTENCES) == set(ReasonCode)
    assert set(HINTS) == set(HintCode)


@pytest.mark.parametrize("code", ReasonCode)
def test_each_form_is_used_for_exactly_its_parameters(code: ReasonCode) -> None:
    for form in SENTENCES[code]:
        text = sentence(Reason(code, dict.fromkeys(parameter_names(form), "x")))
        assert text and not text.endswith(".") and "%(" not in text and "?" not in text
        assert text == _filled(form)


def _filled(form: str) -> str:
    for name in parameter_names(form):
        form = form.replace(f"%({name})s", "x")
    return form


@pytest.mark.parametrize("code", HintCode)
def test_every_hint_has_a_cause_and_a_next_step(code: HintCode) -> None:
    hint = Hint(code, dict.fromkeys(parameter_names(HINTS[code].cause[-1]), "x"))
    for text in (cause(hint), next_step(hint)):
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
def test_a_detail_has_a_rule_and_an_optional_remedy(code: DetailCode) -> None:
    texts = DETAILS[code]
    names = parameter_names(texts.rule[0]).union(*map(parameter_names, texts.remedy))
    detail = Detail(code, dict.fromkeys(names, "x"))
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


def test_output_of_a_tool_is_quoted_unchanged() -> None:
    reason = Reason.of(ReasonCode.PACKAGES_FAILED, detail="npm: 404")
    assert sentence(reason, lambda _: "无法安装依赖:%(detail)s") == "无法安装依赖:npm: 404"


def test_an_unknown_detail_code_uses_the_stored_english_sentence() -> None:
    params = {"detail": "no such thing", "detail_code": "of_tomorrow"}
    assert sentence(Reason(ReasonCode.BAD_REQUIREMENT, params)).endswith(": no such thing")


def test_the_name_of_a_check_is_translated() -> None:
    reason = Reason.of(ReasonCode.ISOLATION_MISSING, level="none", check="seccomp", seen="mode 0")
    assert "check 'seccomp' failed: mode 0; see" in sentence(reason)
    chinese = {"seccomp": "系统调用过滤"}
    assert "'系统调用过滤'" in sentence(reason, lambda text: chinese.get(text, text))
    assert check_name("of tomorrow") == "of tomorrow"


def test_a_check_of_a_browser_has_the_name_of_the_check_in_its_name() -> None:
    chinese = {"browser: %(check)s": "浏览器 %(check)s", "network": "网络"}
    assert check_name("browser: network") == "browser: network"
    name = check_name("browser: network", lambda text: chinese.get(text, text))
    assert name == chinese["browser: %(check)s"] % {"check": chinese["network"]}
    assert check_name("browser: of tomorrow") == "browser: of tomorrow"


def test_a_long_list_is_shortened() -> None:
    sites = [f"{letter}.example" for letter in "abcde"]
    shown = cause(Hint.of(HintCode.REFUSED_SITES, sites=sites))
    assert shown.endswith(": a.example, b.example, c.example and 2 more")


def test_the_most_detailed_form_is_used() -> None:
    withdrawn = Reason.of(ReasonCode.VERSION_WITHDRAWN, number="v1.0.0", latest="v1.0.1")
    assert sentence(withdrawn) == "version v1.0.0 was withdrawn; the latest is v1.0.1"
    assert sentence(Reason.of(ReasonCode.EXIT_CODE, exit_code=3, last_words="")) == (
        "The Worker exited with code 3"
    )


def test_a_missing_parameter_becomes_a_question_mark() -> None:
    assert sentence(Reason(ReasonCode.TIMEOUT)).endswith("of ? s")


def test_a_placeholder_in_a_parameter_stays_as_it_is() -> None:
    reason = Reason.of(ReasonCode.EXIT_CODE, exit_code=1, last_words="%(exit_code)s 100%")
    assert sentence(reason) == "The Worker exited with code 1: %(exit_code)s 100%"


def test_a_text_is_translated_before_its_parameters_are_filled_in() -> None:
    translated = []

    def translate(text: str) -> str:
        translated.append(text)
        return "超时:%(seconds)s 秒"

    assert sentence(Reason.of(ReasonCode.TIMEOUT, seconds=5), translate) == "超时:5 秒"
    assert translated == [SENTENCES[ReasonCode.TIMEOUT][0]]
