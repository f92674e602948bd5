"""How answers at a terminal are read: what people type, and the mend for what cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from responder.commands import asking
from responder.config import Server

if TYPE_CHECKING:
    from collections.abc import Callable

SERVERS = {
    "imap.example.com": ("imap.example.com", 993, "tls"),
    "IMAP.Example.com:993": ("imap.example.com", 993, "tls"),
    "imap.example.com:143": ("imap.example.com", 143, "starttls"),
    "imap.example.com 143": ("imap.example.com", 143, "starttls"),
    "imap.example.com starttls": ("imap.example.com", 143, "starttls"),
    "imap.example.com, 1993, ssl": ("imap.example.com", 1993, "tls"),
    "imaps://imap.example.com:993/": ("imap.example.com", 993, "tls"),
    "127.0.0.1:1143 none": ("127.0.0.1", 1143, "none"),
    "[::1]:1143 none": ("::1", 1143, "none"),
    "192.0.2.7": ("192.0.2.7", 993, "tls"),
    "почта.рф": ("xn--80a1acny.xn--p1ai", 993, "tls"),
}


@pytest.mark.parametrize("text", SERVERS)
def test_a_server_is_read_and_can_be_said_again(text: str) -> None:
    """Host, port and protection in any of the usual spellings; what is said is read as the same."""
    host, port, security = SERVERS[text]
    server = asking.read_server("imap")(text)
    assert (server.host, server.port, server.security) == (host, port, security)
    assert asking.read_server("imap")(asking.say_server(server)) == server


def test_the_usual_ports_of_submission() -> None:
    """465 is TLS from the first octet, 587 and 25 begin it by STARTTLS."""
    read = asking.read_server("smtp")
    assert read("smtp.example.com") == Server(host="smtp.example.com", port=465, security="tls")
    for port in (587, 25):
        assert read(f"smtp.example.com:{port}") == Server(host="smtp.example.com", port=port, security="starttls")


REFUSED: list[tuple[Callable[[str], object], str, str]] = [
    (asking.read_server("imap"), "", 'is needed, like "imap.example.com"'),
    (asking.read_server("imap"), "imap.example.com:imap", "it is a number"),
    (asking.read_server("imap"), "imap.example.com:70000", "the usual one is 993"),
    (asking.read_server("imap"), "imap.example.com:0", "the usual one is 993"),
    (asking.read_server("imap"), "imap.example.com none", "would travel unprotected"),
    (asking.read_server("imap"), "imap.example.com please", '"please" is not understood'),
    (asking.read_server("imap"), "anna@example.com", "is an address"),
    (asking.read_server("imap"), "imap_example!com", "is no name of a server"),
    (asking.read_server("imap"), "[::1:143", "is no server"),
    (asking.read_name, " ", "a name is needed"),
    (asking.read_name, "anna@example.com", "looks like an address"),
    (asking.read_name, "Anna\x1b[31m", "is no name"),
    (asking.read_address, "anna", "write it whole"),
    (asking.read_address, "Anna <anna@example.com>", "write it alone"),
    (asking.read_address, "anna@exa mple.com", "write it alone"),
    (asking.read_client_address, "vostok", "neither an address"),
    (asking.read_client_address, "@vostok", "neither an address"),
    (asking.read_password, "  ", "nothing is shown while you type it"),
    (asking.read_password, "sec\x1b[Dret", "type it once more"),
    (asking.read_place, "UTC+3", "is a fixed offset"),
    (asking.read_place, "UTC", "the clock of machines"),
    (asking.read_place, "Etc/GMT", "the clock of machines"),
    (asking.read_place, "", "name a city"),
    (asking.read_place, "GMT+3", "is a fixed offset"),
    (asking.read_place, "gmt0", "is a fixed offset"),
    (asking.read_place, "Etc/GMT-3", "is a fixed offset"),
    (asking.read_place, "Moscwo", 'did you mean "Europe/Moscow"?'),
    (asking.read_spoken_language, "klingon", "built in for en, ru"),
    (asking.read_spoken_language, "englisch", 'did you mean "english"?'),
    (asking.read_country, "XX", "is no known code"),
    (asking.read_numbers(3), "4", "goes from 1 to 3"),
    (asking.read_numbers(3), "0-2", "goes from 1 to 3"),
    (asking.read_numbers(3), "3-1", "goes from 1 to 3"),
    (asking.read_numbers(3), "first", "is no number of the list"),
]


@pytest.mark.parametrize(("read", "text", "mend"), REFUSED)
def test_what_cannot_be_read_is_told_with_its_mend(read: Callable[[str], object], text: str, mend: str) -> None:
    """The sentence says what is wrong or what is wanted."""
    with pytest.raises(ValueError, match=r".") as refused:
        read(text)
    assert mend in str(refused.value)


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("Europe/Moscow", "Europe/Moscow"),
        ("Москва", "Europe/Moscow"),
        ("moscow", "Europe/Moscow"),
        ("New York", "America/New_York"),
        ("нью-йорк", "America/New_York"),
        ("Владивосток", "Asia/Vladivostok"),
        ("america/new_york", "America/New_York"),
    ],
)
def test_a_city_names_its_zone(text: str, zone: str) -> None:
    """In English as the list of zones has it, in Russian as people say it."""
    assert asking.read_place(text) == zone


def test_numbers_of_a_list() -> None:
    """Single ones, ranges, all, none, each once and in the order they were named."""
    read = asking.read_numbers(9)
    assert read("3, 1-2 2 9") == (3, 1, 2, 9)
    assert read("ALL") == read("все") == tuple(range(1, 10))
    assert read("") == read("none") == read("нет") == ()


def test_what_is_suggested() -> None:
    """The language by the letters of the name or the machine's, the holidays by the zone."""
    assert asking.language_of("Анна Светлова", "en_US.UTF-8") == "ru"
    assert asking.language_of("Anna Svetlova", "ru_RU.UTF-8") == "ru"
    assert asking.language_of("Anna Svetlova", "C.UTF-8") == "en"
    zones = ("Europe/Moscow", "Asia/Vladivostok", "Europe/Kyiv", "America/New_York", "Asia/Kolkata", "Etc/UTC")
    assert [asking.country_of(zone) for zone in zones] == ["RU", "RU", "UA", "US", "IN", ""]


def test_an_answer_is_asked_for_until_it_can_stand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hint comes once, each mend as a sentence; without a terminal the default counts."""
    answers = iter(["nowhere", "UTC", "Berlin"])
    monkeypatch.setattr("click.prompt", lambda *_, **__: next(answers))
    asked = asking.Asker(on_terminal=True).ask("Zone", asking.read_place, hint="A city will do.")
    said = capsys.readouterr().out
    assert asked == "Europe/Berlin"
    assert said.count("A city will do.") == 1
    assert '"nowhere" is no time zone' in said
    silent = asking.Asker(on_terminal=False)
    assert silent.ask("Zone", asking.read_place, default="Paris", hint="A city will do.") == "Europe/Paris"
    assert silent.confirm("Really?", default=False) is False
    assert capsys.readouterr().out == ""
