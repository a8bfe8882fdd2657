"""Errors as pages: status, text, remedy, automatic reload, and their place in a page."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from fyke import errors
from fyke.api.errors import Refusal
from fyke.console.error_pages import page_error_of, respond
from support.views import view_of

BUSY = "Fyke is busy or starting"


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (errors.RunNotFound(), 404, "run"),
        (errors.InvalidFields("must be a number", field="days"), 422, "days must be a number"),
        (errors.Forbidden("This page is for the operator"), 403, "This page is for the operator"),
        (errors.Conflict("The name is taken"), 409, "The name is taken"),
        (Refusal(413, "a form of this page may have 5 bytes"), 413, "may have 5 bytes"),
    ],
)
def test_errors_for_users_are_shown(error: Exception, status: int, text: str) -> None:
    found = page_error_of(error)
    assert text in found.text
    assert found.title and found.remedy
    if status != 422:
        assert found.status == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotFound(), 404),
        (errors.Unavailable("The database at db.internal is down"), 503),
        (ZeroDivisionError("secret"), 500),
    ],
)
def test_texts_of_internal_errors_are_not_shown(error: Exception, status: int) -> None:
    found = page_error_of(error)
    assert (found.status, found.text) == (status, "")


def test_an_internal_error_refers_to_the_request_id() -> None:
    assert "request ID" in page_error_of(ZeroDivisionError()).remedy
    assert "request ID" not in page_error_of(errors.Unavailable()).remedy


def test_a_status_without_its_own_text_has_a_general_one() -> None:
    found = page_error_of(Refusal(418, "short and stout"))
    assert found.title == "Something went wrong in Fyke"
    assert found.remedy.startswith("Go back")


def test_a_rate_limit_shows_when_to_retry() -> None:
    answer = respond(view_of("/runs"), errors.RateLimited(7))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    text = bytes(answer.body).decode()
    assert "Try again in 7 seconds." in text
    assert 'href="/runs"' in text


def test_an_unavailable_page_reloads_automatically() -> None:
    text = bytes(respond(view_of("/runs"), errors.Unavailable()).body).decode()
    assert BUSY in text
    assert 'data-reload="3"' in text
    assert "This page retries automatically." in text


def test_an_unavailable_part_is_not_reloaded_automatically() -> None:
    answer = respond(view_of("/runs", headers={"hx-request": "true"}), errors.Unavailable())
    text = bytes(answer.body).decode()
    assert text.lstrip().startswith("<section")
    assert "data-reload" not in text
    assert "Wait a moment and try again." in text
    assert "hx-retarget" not in answer.headers


def test_a_form_is_never_resent_automatically() -> None:
    text = bytes(respond(view_of("/runs", method="POST"), errors.Unavailable()).body).decode()
    assert "data-reload" not in text
    assert 'href="/runs"' not in text
    assert "Wait a moment and try again." in text


def test_the_error_of_a_form_sent_by_htmx_keeps_the_form_on_the_page() -> None:
    view = view_of("/runs", method="POST", headers={"hx-request": "true"})
    answer = respond(view, errors.Conflict("The name is taken"))
    assert answer.headers["hx-retarget"] == "#notices"
    text = bytes(answer.body).decode()
    assert "<h2" in text and "<h1" not in text
    assert "The name is taken" in text


def test_the_text_of_an_error_is_escaped() -> None:
    text = bytes(respond(view_of(), errors.Conflict("<script>")).body).decode()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_page_shows_the_request_id() -> None:
    assert "01REQUEST" in bytes(respond(view_of(), ZeroDivisionError()).body).decode()


def test_only_internal_errors_are_logged() -> None:
    with capture_logs() as logged:
        respond(view_of(), errors.Conflict("The name is taken"))
        respond(view_of(), ZeroDivisionError())
    assert [(item["key"], item["request_id"]) for item in logged] == [
        ("ZeroDivisionError", "01REQUEST")
    ]
