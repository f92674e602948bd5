"""``responder client``: clients are added, shown and removed, and the owner's file stays the owner's."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from pathlib import Path

import pytest

from responder import config
from responder.adapters.ledger import SqliteLedger
from tests.adapters import ledger_build
from tests.command_line import CommandLine
from tests.core.build import at

NOW = at("2026-11-25 12:00")

BY_HAND = """\
# whom I know from the fair

[clients.nord] # since May
addresses = ["olga@nord.example", # the boss
  "lena@nord.example"]
timezone = "Europe/Kaliningrad"
topics.documents.response = "1 working day"

# a firm
[clients.sued]
addresses = ["@sued.example"]
timezone = "Europe/Vienna"
language = "en"
"""


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Somebody at the example configuration, on Wednesday noon in Moscow."""
    return CommandLine(tmp_path, NOW, monkeypatch, capsys)


FULL = [
    *["client", "add", "neu", "--name", "Neu GmbH", "--address", "a@neu.example", "--address", "@neu.example"],
    *["--timezone", "Europe/Berlin", "--language", "en", "--person", "a@neu.example=Ms Neu", "--phone", "+49 30 1"],
    *["--response", "4 working hours", "--urgent-word", "URGENT", "--agreement", "Annex B", "--version", "2"],
    *["--from", "1 December", "--until", "2027-11-30"],
]


def test_a_client_is_added_with_all_it_can_have(typed: CommandLine) -> None:
    """What was said stands in the file, in a person's order, and holds; the card shows what it comes to."""
    said = typed(*FULL)
    assert said.status == 0, said.text
    assert typed.clients.read_text().partition("\n\n")[2] == (
        '[clients.neu]\nname = "Neu GmbH"\naddresses = ["a@neu.example", "@neu.example"]\n'
        'people = {"a@neu.example" = "Ms Neu"}\ntimezone = "Europe/Berlin"\nlanguage = "en"\n'
        'agreement = {name = "Annex B", version = "2", from = 2026-12-01, until = 2027-11-30}\n'
        'phone = "+49 30 1"\nresponse = "4 working hours"\nurgent_word = "URGENT"\n'
    )
    client = config.load(typed.config).policy.client("neu")
    assert client.people == {"a@neu.example": "Ms Neu"}
    for expected in (
        "The agreement holds from Tuesday, 1 December 2026.",
        "Europe/Berlin; there it is 10:00",
        "not in force before Tuesday, 1 December 2026",
        "documents: 2 working days; otherwise: 4 working hours",
        "Thu 26 Nov 15:30–17:00",
    ):
        assert expected in said.text, said.text


def test_a_file_written_by_hand_stays_as_it_was(typed: CommandLine) -> None:
    """Comments, order, spacing: what was there is there to the character, and goes only with its own client."""
    typed.clients.write_text(BY_HAND)
    typed.clients.chmod(0o600)
    assert typed(*FULL).status == 0
    assert typed.clients.read_text().startswith(BY_HAND)
    assert typed.clients.stat().st_mode & 0o777 == 0o600
    assert typed("client", "remove", "neu", "--yes").status == 0
    assert typed.clients.read_text().rstrip() == BY_HAND.rstrip()
    assert typed("client", "remove", "sued", "--yes").status == 0
    assert typed.clients.read_text().startswith(BY_HAND[: BY_HAND.index("# a firm")])
    assert [client.key for client in config.load(typed.config).policy.clients][-1] == "nord"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["neu", "--timezone", "Europe/Berlin"], "missing: --address"),
        (["neu"], "missing: --address, --timezone"),
        (["neu", "--address", "a@neu.example", "--timezone", "Berln"], 'did you mean "Europe/Berlin"?'),
        (["neu", "--address", "a@neu.example", "--timezone", "UTC+3"], "is a fixed offset"),
        (
            ["neu", "--address", "ivan@vostok.example", "--timezone", "Europe/Berlin"],
            '"ivan@vostok.example" stands at the client vostok already (config.toml:',
        ),
        (["neu", "--address", "lena@nord.example", "--timezone", "Europe/Berlin"], "stands at the client nord already"),
        (["neu", "--address", "@gmail.com", "--timezone", "Europe/Berlin"], "is a free-mail domain"),
        (["neu", "--address", "anna@example.com", "--timezone", "Europe/Berlin"], "is your own address"),
        (
            ["neu", "--address", "neu", "--timezone", "Europe/Berlin"],
            'is neither an address like "ivan@vostok.example"',
        ),
        (["ne u", "--address", "a@neu.example", "--timezone", "Europe/Berlin"], "is no name for a table"),
        (["nord", "--address", "a@neu.example"], "there is a client nord already, at "),
        (["vostok"], "there is a client vostok already, at "),
        ([*FULL[2:], "--language", "de"], 'there are no texts in "de"; the languages are en, ru'),
        (["neu", "--address", "a@neu.example", "--timezone", "Europe/Berlin", "--from", "today"], "name it too"),
        (["neu", "--agreement", "X", "--from", "next week"], "one day is wanted"),
        (["neu", "--agreement", "X", "--from", "gibberish"], "--from: "),
        (["neu", "--person", "Ms Neu"], 'write it like "ivan@vostok.example=Mr Petrov"'),
        ([*FULL[2:], "--response", "soon"], '"soon" is not a response time'),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(typed: CommandLine, words: list[str], said: str) -> None:
    """Status 64, what is wrong and what is allowed; the file is untouched."""
    typed.clients.write_text(BY_HAND)
    refused = typed("client", "add", *words)
    assert refused.status == 64, refused.text
    assert said in refused.text
    assert typed.clients.read_text() == BY_HAND


def test_what_is_missing_is_asked_for_until_it_can_stand(typed: CommandLine) -> None:
    """On a terminal each answer is looked at at once, with its mend, and asked again."""
    answers = [
        "Neu GmbH",
        *["", "ivan@vostok.example", "a@neu.example", "neu", "@neu.example", ""],  # none; taken; good; no address; good
        *["Berln", "Берлин"],
        *["xx", "en"],
        "y",
    ]
    said = typed("client", "add", "neu", answers="".join(f"{each}\n" for each in answers))
    assert said.status == 0, said.text
    client = config.load(typed.config).policy.client("neu")
    assert (client.name, client.zone.key, client.language) == ("Neu GmbH", "Europe/Berlin", "en")
    assert (client.addresses, client.domains) == ({"a@neu.example"}, {"neu.example"})
    for expected in (
        "at least one address or @domain is needed",
        "stands at the client vostok already",
        "is neither an address",
        'did you mean "Europe/Berlin"?',
        '"xx" is no language',
        "Add this client?",
    ):
        assert expected in said.text


def test_a_mistake_in_what_was_given_is_told_before_the_questions(typed: CommandLine) -> None:
    """Nobody answers five questions to learn that an option was wrong."""
    said = typed("client", "add", "neu", "--response", "soon", answers="\n" * 9)
    assert said.status == 64
    assert '"soon" is not a response time' in said.text
    assert "An address" not in said.text


def test_no_is_an_answer(typed: CommandLine) -> None:
    """Nothing is written after a no."""
    said = typed("client", "add", "neu", "--address", "a@neu.example", answers="\n\n\nn\n")
    assert (said.status, typed.clients.exists()) == (1, False), said.text
    typed.clients.write_text(BY_HAND)
    assert typed("client", "remove", "nord", answers="n\n").status == 1
    assert typed("client", "remove", "nord").status == 64
    assert typed.clients.read_text() == BY_HAND


def test_a_client_of_the_main_file_is_the_owners_to_remove(typed: CommandLine) -> None:
    """It is said where it stands; an unknown key gets the nearest one."""
    typed.clients.write_text(BY_HAND)
    line = next(n for n, text in enumerate(typed.config.read_text().splitlines(), 1) if text == "[clients.vostok]")
    refused = typed("client", "remove", "vostok", "--yes")
    assert refused.status == 64
    assert f"vostok stands in {typed.config}:{line}, which is yours alone" in refused.text
    unknown = typed("client", "remove", "nrod", "--yes")
    assert unknown.status == 64
    assert 'there are vostok, harbor, linden, nord, sued; did you mean "nord"?' in unknown.text


def test_the_list_says_who_and_what_time_it_is_there(typed: CommandLine) -> None:
    """For a person a table with every address, for a program the same."""
    typed.clients.write_text(BY_HAND)
    rows = json.loads(typed("client", "list", "--json").text)
    assert [row["key"] for row in rows] == ["vostok", "harbor", "linden", "nord", "sued"]
    assert rows[3] == {
        "key": "nord",
        "name": "nord",
        "addresses": ["lena@nord.example", "olga@nord.example"],
        "timezone": "Europe/Kaliningrad",
        "time_there": "2026-11-25T11:00+02:00",
        "language": "ru",
    }
    table = typed("client", "list").text
    for expected in ("Asia/Vladivostok, 19:00", "@linden-partner.example", "lena@nord.example"):
        assert expected in table


async def _remember(path: Path) -> None:
    """Make a ledger with one message of the client's, for which an answer is promised."""
    ledger = SqliteLedger.open(path)
    one = ledger_build.entry("n1", address="olga@nord.example", client="nord")
    await ledger_build.enter(ledger, ledger_build.decision(one, promises=True))
    await ledger.close()


def test_the_card_shows_what_holds_and_what_the_ledger_knows(typed: CommandLine) -> None:
    """Rules with both clocks, the picture, the last mail, and what is still promised: before removing, too."""
    typed.clients.write_text(BY_HAND)
    typed.state.mkdir(mode=0o700)
    asyncio.run(_remember(typed.state / "ledger.sqlite3"))
    card = json.loads(typed("client", "show", "nord", "--json").text)
    assert card["stands_in"] == f"{typed.clients}:3"
    assert card["response"] == [
        {"topic": "documents", "term": "1 working day", "rule": "clients.nord.topics.documents.response"},
        {"topic": None, "term": "1 working day", "rule": "response.default"},
    ]
    assert card["agreement"] is None
    assert card["calls"][0] == {
        "window": "evening", "starts_at": "2026-11-25T14:30:00+00:00", "ends_at": "2026-11-25T16:00:00+00:00",
    }  # fmt: skip
    assert [row["address"] for row in card["promises"]] == ["olga@nord.example"]
    assert [row["reason"] for row in card["messages"]] == ["full"]
    shown = typed("client", "show", "nord").text
    for expected in ("▲", "promised to olga@nord.example", "olga@nord.example: full", "Europe/Kaliningrad"):
        assert expected in shown
    removed = typed("client", "remove", "nord", "--yes")
    assert "An answer is still promised to olga@nord.example by " in removed.text
    assert removed.status == 0


@pytest.mark.usefixtures("as_root")
def test_root_leaves_no_file_of_its_own_beside_the_ledger(typed: CommandLine) -> None:
    """With `sudo` the ledger is read as its owner, and afterwards root may still write the configuration."""
    nobody = 65534
    typed.clients.write_text(BY_HAND)
    typed.state.mkdir(mode=0o700)
    asyncio.run(_remember(typed.state / "ledger.sqlite3"))
    for each in (typed.state, *typed.state.iterdir()):
        os.chown(each, nobody, nobody)
    for folder in typed.state.parents:  # the way there has to be open for them
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(folder.stat().st_mode | 0o011)
    said = typed("client", "remove", "nord", "--yes")
    assert said.status == 0, said.text
    assert "An answer is still promised to olga@nord.example" in said.text
    assert os.geteuid() == 0
    assert {each.stat().st_uid for each in typed.state.iterdir()} == {nobody}
    assert "nord" not in typed.clients.read_text()
