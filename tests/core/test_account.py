"""One person, many spellings: what a provider delivers to one account is one sender, one client, one owner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core.address import account, normal_address
from responder.core.facts import Identity, observe
from responder.core.model import Facts, MailboxRules, Message, MessageKey
from tests.core.build import client, owner, policy

SAME = [
    ("ivan.petrov@gmail.com", "ivanpetrov@gmail.com", "i.v.a.n.petrov+shop@googlemail.com"),
    ("ivan@ya.ru", "ivan@yandex.ru", "ivan@yandex.com", "ivan+x@yandex.by", "ivan@yandex.kz"),
    ("ivan.petrov@yandex.ru", "ivan-petrov@ya.ru"),
    ("ivan.petrov@proton.me", "ivanpetrov@pm.me", "ivan_petrov@protonmail.com"),
    ("ivan@icloud.com", "ivan@me.com", "ivan@mac.com"),
    ("ivan@vostok.example", "ivan+tag@vostok.example", "prvs=0123456789=ivan@vostok.example"),
]
#: Mail.ru's domains are accounts of their own; elsewhere a full stop tells persons apart.
DIFFERENT = [
    ("ivan@mail.ru", "ivan@bk.ru"),
    ("ivan.petrov@vostok.example", "ivanpetrov@vostok.example"),
    ("ivan@gmail.com", "ivan@gmail.com.example"),
    ("ivan-petrov@gmail.com", "ivanpetrov@gmail.com"),
    ("ivan@yandex.ru", "ivan@yandex.example"),
    ("ivan.p@icloud.com", "ivanp@icloud.com"),
    ("...@gmail.com", "@gmail.com"),
]


def see(sender: str, *, path: str = "", to: str = "anna@example.com", **rules: object) -> Facts:
    """Return the facts of a letter."""
    header = f"Return-Path: <{path or sender}>\r\nFrom: <{sender}>\r\nTo: {to}\r\nMessage-ID: <1@x.example>\r\n\r\n"
    message = Message(
        key=MessageKey(mailbox="main", uidvalidity=1, uid=1),
        header=header.encode(),
        header_cut=False,
        internal_at=None,
        size=1,
        flags=frozenset(),
    )
    return observe(message, policy(**rules), Identity("main", b"a secret"))


@pytest.mark.parametrize("spellings", SAME)
def test_spellings_of_one_account(spellings: tuple[str, ...]) -> None:
    """They compare as one, and the sign is stable."""
    assert len({account(each) for each in spellings}) == 1
    assert account(account(spellings[0])) == account(spellings[0])
    assert len({see(each).person for each in spellings}) == 1


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_persons(one: str, other: str) -> None:
    """Where a provider keeps them apart, so do we."""
    assert account(one) != account(other)


@given(st.emails().map(normal_address).filter(bool))
def test_an_account_is_an_address(address: str) -> None:
    """It has a local part and a domain, and is its own account."""
    local, _, domain = account(address).rpartition("@")
    assert local
    assert domain
    assert account(f"{local}@{domain}") == f"{local}@{domain}"


@pytest.mark.parametrize("spelling", SAME[0] + SAME[1])
def test_a_client_is_known_by_the_account(spelling: str) -> None:
    """Another spelling of a listed address is that client, matched by address, and the reply may go there."""
    listed = frozenset({"ivan.petrov@gmail.com", "ivan@ya.ru"})
    clients = (client(addresses=listed, domains=frozenset(), people={"ivan@ya.ru": "Иван"}),)
    facts = see(spelling, clients=clients)
    assert (facts.client, facts.by_domain, facts.return_path_is_clients) == ("vostok", False, True)


def test_an_exact_address_beats_the_account() -> None:
    """Where the file tells two spellings apart, the file is right."""
    clients = (
        client("one", addresses=frozenset({"ivan@one.example"}), domains=frozenset()),
        client("two", addresses=frozenset({"ivan+two@one.example"}), domains=frozenset()),
    )
    assert see("ivan+two@one.example", clients=clients).client == "two"
    assert see("ivan@one.example", clients=clients).client == "one"


@pytest.mark.parametrize("field", ["From", "Sender", "Return-Path"])
@pytest.mark.parametrize("alias", ["anna@yandex.ru", "anna@yandex.com", "anna+me@ya.ru"])
def test_the_owners_other_spellings_are_the_owner(field: str, alias: str) -> None:
    """Mail from an alias of the owner's own account is never answered."""
    mailboxes = (MailboxRules(name="main", addresses=("anna@ya.ru",)),)
    key = MessageKey(mailbox="main", uidvalidity=1, uid=1)
    lines = {"Return-Path": "ivan@vostok.example", "From": "ivan@vostok.example"} | {field: alias}
    header = "".join(f"{name}: <{value}>\r\n" for name, value in lines.items()) + "To: anna@ya.ru\r\n\r\n"
    message = Message(key=key, header=header.encode(), header_cut=False, internal_at=None, size=1, flags=frozenset())
    assert observe(message, policy(mailboxes=mailboxes), Identity("main", b"a secret")).own == field


def test_written_to_an_alias_is_written_to_the_owner() -> None:
    """To names another spelling of the owner's address; the reply comes from the one in the file."""
    mailboxes = (MailboxRules(name="main", addresses=("Anna.S@gmail.com", "office@example.com")),)
    facts = see("ivan@vostok.example", to="annas+clients@googlemail.com", mailboxes=mailboxes)
    assert (facts.named_in, facts.addressed) == ("to", "Anna.S@gmail.com")
    also = owner(also=frozenset({"anna@ya.ru"}))
    assert see("ivan@vostok.example", to="anna@yandex.ru", owner=also).named_in == "to"
    assert see("ivan@vostok.example", to="anna@yandex.ru").named_in == ""
