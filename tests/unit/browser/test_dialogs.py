"""Which dialog is open in a page, and by whom it is answered."""

from __future__ import annotations

from fyke.browser.dialogs import Ask, Dialogs, OpenDialog

PAGE = (0, "T")


def alert(text: str = "Hi") -> OpenDialog:
    return OpenDialog("alert", text, "")


def ignore(method: str, params: dict[str, object], session: str) -> None:
    """Send nothing."""


def test_another_dialog_replaces_one_whose_end_was_not_heard() -> None:
    dialogs = Dialogs()
    first, second, third = alert(), alert(), alert("Bye")
    assert dialogs.opened(PAGE, first, (1, "S"), ignore)
    assert not dialogs.opened(PAGE, alert(), (2, "S"), ignore)
    assert dialogs.of(PAGE) is first
    assert dialogs.opened(PAGE, second, (1, "S"), ignore)  # a client hears of each once
    assert dialogs.of(PAGE) is second and list(second.reporters) == [(1, "S")]
    assert dialogs.opened(PAGE, third, (2, "S"), ignore)  # which says something else
    assert dialogs.of(PAGE) is third and list(third.reporters) == [(2, "S")]


def test_the_client_that_has_heard_of_it_last_answers() -> None:
    dialogs, dialog = Dialogs(), alert()
    answered: list[int] = []

    def client(number: int) -> Ask:
        return lambda method, params, session: answered.append(number)

    for number in (1, 2, 3):
        dialogs.opened(PAGE, dialog, (number, "S"), client(number))
    for leave in (lambda: dialogs.left(PAGE, (3, "S")), lambda: dialogs.forget(2)):
        dialog.answer("", accept=True)
        leave()
    dialog.answer("", accept=True)
    assert answered == [3, 2, 1]
    dialogs.left(PAGE, (3, "S"))  # once more
    dialogs.left((0, "none"), (1, "S"))
    assert dialogs.of(PAGE) is dialog
    dialogs.left(PAGE, (1, "S"))
    assert dialogs.of(PAGE) is None


def test_of_many_pages_and_clients_the_latest_are_kept() -> None:
    dialogs, dialog = Dialogs(), alert()
    for number in range(300):
        dialogs.opened(PAGE, dialog, (1, f"{number}"), ignore)
    assert list(dialog.reporters) == [(1, f"{number}") for number in range(292, 300)]
    for number in range(200):
        dialogs.opened((0, f"{number}"), alert(), (1, "S"), ignore)
    assert len(dialogs._open) == 200 and dialogs.of(PAGE) is None
