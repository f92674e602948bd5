"""Circles: the client's side answers our replies by machine, in every way that machines have, and mail really turns.

Owner and client have mailboxes on one real Dovecot; what responder hands in at SMTP goes on by LMTP to the client's,
where Pigeonhole or a robot answers, and the answer comes back by LMTP to the owner's INBOX, round and round, until
nothing moves any more.
"""

from __future__ import annotations

import email
import email.policy
import os
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.build import at
from tests.e2e.clocks import FixedClock
from tests.e2e.scene import OWNER, Scene, letter
from tests.e2e.test_corners import reasons
from tests.servers.dovecot import Dovecot, missing
from tests.servers.relay import Letter, PostOffice
from tests.servers.smtp import ThreadedSmtpSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from tests.servers.smtp import SmtpSink

    Robot = Callable[[Letter], Iterable[Letter]]

pytestmark = [pytest.mark.server, pytest.mark.matrix]

IVAN = "ivan@vostok.example"
FRIDAY = at("2026-11-13 20:00")
MONDAY = at("2026-11-09 20:00")
MARKS = ("auto-submitted", "precedence", "x-auto-response-suppress")
#: So many turns of a circle are let happen; one that has not stopped by then does not stop.
MOST_TURNS = 40


@pytest.fixture(scope="module")
def sink() -> Iterator[SmtpSink]:
    """An SMTP server for both ends."""
    with ThreadedSmtpSink() as server:
        yield server


@pytest.fixture(scope="module")
def dovecot(sink: SmtpSink) -> Iterator[Dovecot]:
    """A Dovecot with Sieve, whose scripts hand their mail to the SMTP server."""
    reason = missing(sieve=True)
    if reason and os.environ.get("CI"):
        pytest.fail(f"needs a real server: {reason}")
    if reason:
        pytest.skip(f"needs a real server: {reason}")
    with Dovecot("rich", sieve=sink.port) as server:
        yield server


@dataclass
class Circle:
    """The owner's side, the client's side, and the post between them."""

    scene: Scene
    post: PostOffice
    others: tuple[Scene, ...] = ()

    @property
    def replies(self) -> list[Letter]:
        """What responder sent for the owner."""
        return [one for one in self.post.handed_in if _sender(one.raw) in {OWNER, "office@example.com"}]

    async def turn(self, most: int = MOST_TURNS, step: timedelta = timedelta(minutes=5)) -> int:
        """Let mail go round, one step of time for each turn; returns how many turns moved anything."""
        clock = self.scene.clock
        for turns in range(most):
            before = len(self.post.sink.mails)
            moved = await self.post.carry(clock.at)
            clock.at += timedelta(minutes=4)
            for scene in (self.scene, *self.others):
                await scene.run()
            if not moved and len(self.post.sink.mails) == before:
                return turns
            clock.at += step - timedelta(minutes=4)
        return most


@pytest.fixture
def circle(dovecot: Dovecot, sink: SmtpSink, user: str, tmp_path: Path) -> Circle:
    """The example configuration, watched since before the mail comes."""
    clock = FixedClock(MONDAY - timedelta(hours=3))
    limits = {"per_address_per_day": 3, "per_hour": 5, "per_day": 200}
    folder = tmp_path / "owner"
    scene = Scene(
        folder=folder, server=dovecot, sink=sink, user=user, clock=clock, changes={"replies": {"limits": limits}}
    )
    post = PostOffice(sink, dovecot, mailboxes={OWNER: user, "office@example.com": user})
    return Circle(scene, post)


def _sender(raw: bytes) -> str:
    return str(email.utils.parseaddr(email.message_from_bytes(raw)["From"])[1])


def robot(
    *,
    sender: str = IVAN,
    thread: bool = True,
    fresh: bool = False,
    rewritten: bool = False,
    quotes: bool = False,
    fields: dict[str, str] | None = None,
    path: str | None = None,
    times: int = 1,
) -> Robot:
    """Return a responder of the client's side.

    Args:
        sender: its From; "{n}" is replaced by a number that grows.
        thread: it sets In-Reply-To and References.
        fresh: its subject is its own.
        rewritten: the id that it answers is one that a server gave our reply on the way.
        quotes: it sends our text back.
        fields: further fields, its marks.
        path: its Return-Path, by default its From.
        times: so many answers to each mail.
    """
    count = Counter[str]()

    def answers(to: Letter) -> Iterable[Letter]:
        asked = email.message_from_bytes(to.raw, policy=email.policy.default)
        for _ in range(times):
            count["n"] += 1
            who = sender.format(n=count["n"])
            answered = "<0102018f@far.example>" if rewritten else str(asked["Message-ID"])
            headers = {"In-Reply-To": answered, "References": answered} if thread else {}
            text = to.raw.partition(b"\r\n\r\n")[2].decode("ascii", "replace") if quotes else "Thank you for your mail."
            raw = letter(
                who,
                "We have received it" if fresh else f"Re: {asked['Subject']}",
                text,
                headers=headers | (fields or {}),
                return_path=None,
            )
            yield Letter(sender=who if path is None else path, recipient=OWNER, raw=raw)

    return answers


#: name → (robot, how many replies of ours it draws in one closed period, the reasons of its answers).
ROBOTS: dict[str, tuple[Callable[[], Robot], int, set[str]]] = {
    "marked": (lambda: robot(fields={"Auto-Submitted": "auto-replied"}), 1, {"automatic"}),
    "null sender": (lambda: robot(path="", thread=False, fresh=True), 1, {"automatic"}),
    "bulk": (lambda: robot(fields={"Precedence": "bulk"}, thread=False), 1, {"automatic"}),
    "thread": (robot, 1, {"answer-to-reply"}),
    "thread, ours quoted": (lambda: robot(quotes=True), 1, {"answer-to-reply"}),
    "thread, other address": (lambda: robot(sender="desk@vostok.example"), 1, {"answer-to-reply"}),
    "thread, new address each time": (lambda: robot(sender="case-{n}@vostok.example"), 1, {"answer-to-reply"}),
    "thread, another Return-Path": (lambda: robot(path="vacation@relay.example"), 1, {"return-path-differs"}),
    "no thread": (lambda: robot(thread=False), 1, {"told"}),
    "no thread, fresh subject": (lambda: robot(thread=False, fresh=True), 1, {"told"}),
    "no thread, ours quoted": (lambda: robot(thread=False, quotes=True), 1, {"told"}),
    "no thread, tagged": (lambda: robot(sender="ivan+{n}@vostok.example", thread=False), 1, {"told"}),
    "no thread, capitals": (lambda: robot(sender="IVAN@Vostok.EXAMPLE", thread=False, fresh=True), 1, {"told"}),
    "rewritten id": (lambda: robot(rewritten=True), 1, {"told"}),
    "three answers to each": (lambda: robot(thread=False, fresh=True, times=3), 1, {"told"}),
    # An address is told once: one reply for each address that the machine writes from.
    "no thread, other address": (lambda: robot(sender="desk@vostok.example", thread=False), 2, {"told", "full"}),
    "rewritten id, other address": (lambda: robot(sender="desk@vostok.example", rewritten=True), 2, {"told", "full"}),
    # Nothing tells this machine from a firm with many persons: the hourly cap ends it, for the whole closed period.
    "no thread, new address each time": (
        lambda: robot(sender="case-{n}@vostok.example", thread=False, fresh=True),
        5,
        {"full", "limit"},
    ),
    "no thread, three new addresses each time": (
        lambda: robot(sender="case-{n}@vostok.example", thread=False, fresh=True, times=3),
        5,
        {"full", "limit"},
    ),
}


@pytest.mark.parametrize("name", ROBOTS)
async def test_a_robot_at_once(circle: Circle, name: str) -> None:
    """A machine that answers each reply at once draws one, and one for each further address, until the cap."""
    make, wanted, expected = ROBOTS[name]
    scene, post = circle.scene, circle.post
    post.robots["@vostok.example"] = make()
    scene.clock.at = FRIDAY - timedelta(hours=3)
    await scene.run()
    scene.clock.at = FRIDAY
    post.post(Letter(sender=IVAN, recipient=OWNER, raw=letter(IVAN, headers={"Message-ID": "<first@v.example>"})))
    assert await circle.turn() < MOST_TURNS
    assert len(circle.replies) == wanted
    found = await reasons(scene)
    assert found.pop("<first@v.example>") == "full"
    assert set(found.values()) == expected
    assert not post.lost
    # Nothing is lost on the way round: each answer lies in INBOX (a machine's) or in the window's folder.
    folders = Counter({folder: len(mails) for folder, mails in scene.tree().items()})
    assert folders["INBOX"] + folders["Callbacks/2026-11-16 10-00"] == len(found) + 1
    assert folders["INBOX"] == sum(reason == "automatic" for reason in found.values())


@pytest.mark.parametrize("answers", [True, False], ids=["the owner answers", "the owner is silent"])
@pytest.mark.parametrize("name", ROBOTS)
async def test_a_robot_in_the_next_evening(circle: Circle, name: str, answers: bool) -> None:  # noqa: FBT001 - a column
    """A machine that takes a day draws at most one reply an evening and address, and none while the owner owes one."""
    make, _, _ = ROBOTS[name]
    scene, post = circle.scene, circle.post
    post.robots["@vostok.example"] = make()
    await scene.run()
    scene.clock.at = MONDAY
    post.post(Letter(sender=IVAN, recipient=OWNER, raw=letter(IVAN, headers={"Message-ID": "<first@v.example>"})))
    per_evening: list[int] = []
    for evening in range(5):
        before = len(circle.replies)
        arrived = await post.carry(scene.clock.at)
        scene.clock.at += timedelta(minutes=4)
        await scene.run()
        if answers:  # the next morning she writes to everybody who wrote
            _answer_all(scene, MONDAY + timedelta(days=evening, hours=15))
        await post.carry(scene.clock.at)  # the robot reads our reply; its answer waits until the next evening
        senders = arrived or 1
        assert len(circle.replies) - before <= senders
        per_evening.append(len(circle.replies) - before)
        scene.clock.at = MONDAY + timedelta(days=evening + 1)
    by_address = Counter((reply.recipient.partition("+")[0].lower(), day(reply)) for reply in circle.replies)
    assert max(by_address.values()) == 1
    if not answers:
        # A promise that is late silences the machine: from the third evening on nothing leaves.
        assert per_evening[2:] == [0, 0, 0]
    if "thread" in name and not name.startswith("no thread"):
        assert per_evening == [1, 0, 0, 0, 0]


def day(reply: Letter) -> str:
    """Return the date on which a reply was written."""
    return email.utils.parsedate_to_datetime(email.message_from_bytes(reply.raw)["Date"]).date().isoformat()


def _answer_all(scene: Scene, when: datetime) -> None:
    """Put the owner's own answer to every filed letter into Sent."""
    for folder, mails in scene.tree().items():
        if not folder.startswith("Callbacks") and folder != "INBOX":
            continue
        for mail in mails:
            answered = str(mail["Message-ID"])
            raw = letter(
                OWNER,
                f"Re: {mail['Subject']}",
                headers={"To": str(mail["From"]), "In-Reply-To": answered, "References": answered},
                return_path=None,
            )
            scene.dovecot.append(scene.user, raw, when, folder="Sent")


async def test_an_answer_over_the_edge_of_the_period(circle: Circle) -> None:
    """A reply leaves a minute before the opening and its machine's answer comes after it: open, nothing is sent."""
    scene, post = circle.scene, circle.post
    post.robots["@vostok.example"] = robot(thread=False, fresh=True)
    await scene.run()
    opening = at("2026-11-10 10:00")
    scene.clock.at = opening - timedelta(minutes=5)
    post.post(Letter(sender=IVAN, recipient=OWNER, raw=letter(IVAN, headers={"Message-ID": "<first@v.example>"})))
    assert await circle.turn() < MOST_TURNS
    found = await reasons(scene)
    assert len(circle.replies) == 1
    assert found.pop("<first@v.example>") == "full"
    assert set(found.values()) == {"open"}


# ------------------------------------------------------------------------------------------- Pigeonhole

VACATION = (
    'require ["vacation", "vacation-seconds"];\n'
    f'vacation :seconds 0 :addresses ["{IVAN}"] :from "{IVAN}" "I am on holiday.";\n'
)
REDIRECT = f'require ["copy"];\nredirect :copy "{OWNER}";\n'
NOTIFY = f'require ["enotify"];\nnotify :from "{IVAN}" :message "Mail has come" "mailto:{OWNER}";\n'


def stripped(one: Letter) -> Letter:
    """Return the letter as a gateway leaves it that drops every mark of a machine, and gives it a sender again."""
    head, blank, text = one.raw.partition(b"\r\n\r\n")
    lines = head.replace(b"\r\n ", b"\n ").replace(b"\r\n\t", b"\n\t").split(b"\r\n")
    kept = [line for line in lines if line.partition(b":")[0].decode("latin-1").lower() not in MARKS]
    sender = one.sender or _sender(one.raw)
    return replace(
        one, sender=sender, raw=b"\r\n".join(kept).replace(b"\n", b"\r\n").replace(b"\r\r", b"\r") + blank + text
    )


@pytest.fixture
def client_user(circle: Circle, user: str) -> str:
    """Return the name of the client's own mailbox on the server."""
    name = f"{user}-client"
    circle.post.mailboxes[IVAN] = name
    return name


async def _first_letter(circle: Circle) -> int:
    scene = circle.scene
    await scene.run()
    scene.clock.at = MONDAY
    first = letter(IVAN, headers={"Message-ID": "<first@v.example>"})
    circle.post.post(Letter(sender=IVAN, recipient=OWNER, raw=first))
    return await circle.turn()


async def test_a_vacation_does_not_answer_our_reply(circle: Circle, client_user: str) -> None:
    """Pigeonhole knows our reply for a machine's: the circle ends with the one reply."""
    circle.post.dovecot.install_sieve(client_user, VACATION)
    assert await _first_letter(circle) < MOST_TURNS
    assert [one.recipient for one in circle.replies] == [IVAN]
    assert len(circle.post.handed_in) == 1


async def test_a_vacation_answers_the_owner_and_we_do_not_answer_it(circle: Circle, client_user: str) -> None:
    """The owner writes by hand at night, the vacation answers: a machine's mail, which stays in INBOX."""
    scene, post = circle.scene, circle.post
    post.dovecot.install_sieve(client_user, VACATION)
    await scene.run()
    scene.clock.at = MONDAY
    post.post(Letter(sender=OWNER, recipient=IVAN, raw=letter(OWNER, headers={"To": IVAN}, return_path=None)))
    assert await circle.turn() < MOST_TURNS
    assert circle.replies == []
    assert [_sender(one.raw) for one in post.handed_in] == [IVAN]
    assert set((await reasons(scene)).values()) == {"automatic"}
    assert len(scene.tree()["INBOX"]) == 1


@pytest.mark.parametrize("both", [False, True], ids=["ours lose their marks", "all lose their marks"])
async def test_a_vacation_behind_a_gateway_that_drops_marks(circle: Circle, client_user: str, both: bool) -> None:  # noqa: FBT001 - a column
    """Without the marks Pigeonhole answers each reply of ours; its answer is known by its marks, else by our own id."""
    post = circle.post
    post.dovecot.install_sieve(client_user, VACATION)
    post.gateway = lambda one: stripped(one) if both or _sender(one.raw) == OWNER else one
    assert await _first_letter(circle) < MOST_TURNS
    assert len(circle.replies) == 1
    assert [_sender(one.raw) for one in post.handed_in] == [OWNER, IVAN]
    found = await reasons(circle.scene)
    assert found.pop("<first@v.example>") == "full"
    assert set(found.values()) == {"answer-to-reply" if both else "automatic"}


async def test_a_client_who_sends_all_mail_back(circle: Circle, client_user: str) -> None:
    """A redirect brings our own reply back to us: it is known as the owner's own."""
    circle.post.dovecot.install_sieve(client_user, REDIRECT)
    assert await _first_letter(circle) < MOST_TURNS
    assert len(circle.replies) == 2  # the one that was written, and its copy that came back through the client
    assert len({email.message_from_bytes(one.raw)["Message-ID"] for one in circle.replies}) == 1
    found = await reasons(circle.scene)
    assert found.pop("<first@v.example>") == "full"
    assert set(found.values()) == {"own"}


@pytest.mark.parametrize("marks", [True, False], ids=["marks kept", "ours lose their marks"])
async def test_a_client_who_has_every_mail_announced(circle: Circle, client_user: str, marks: bool) -> None:  # noqa: FBT001 - a column
    """A client's notification goes to the owner where our marks were lost, and is known for a machine's."""
    post = circle.post
    post.dovecot.install_sieve(client_user, NOTIFY)
    if not marks:
        post.gateway = lambda one: stripped(one) if _sender(one.raw) == OWNER else one
    assert await _first_letter(circle) < MOST_TURNS
    assert len(circle.replies) == 1
    assert len(post.handed_in) == (1 if marks else 2)
    found = await reasons(circle.scene)
    assert found.pop("<first@v.example>") == "full"
    assert set(found.values()) == (set() if marks else {"automatic"})


# ------------------------------------------------------------------------------- both ends are responders


@pytest.fixture
def both(circle: Circle, client_user: str, tmp_path: Path) -> Circle:
    """The client has a responder too, and the owner is its client."""
    lawyer = {"addresses": ["@example.com"], "timezone": "Europe/Moscow", "language": "en"}
    changes: dict[str, Any] = {
        "owner": {"name": "Ivan Petrov", "also": []},
        "mailboxes": {"main": {"addresses": [IVAN]}},
        "clients": dict.fromkeys(("vostok", "harbor", "linden"), None) | {"lawyer": lawyer},
    }
    scene = circle.scene
    other = Scene(
        folder=tmp_path / "client",
        server=scene.dovecot,
        sink=scene.sink,
        user=client_user,
        clock=scene.clock,
        changes=changes,
    )
    circle.others = (other,)
    return circle


def renamed(one: Letter) -> Letter:
    """Return the letter without its marks and under another Message-ID, as some providers send everything."""
    one = stripped(one)
    ours = str(email.message_from_bytes(one.raw)["Message-ID"])
    theirs = f"<{abs(hash(ours)):x}@eurprd05.far.example>"
    return replace(
        one, raw=one.raw.replace(f"\r\nMessage-ID: {ours}".encode(), f"\r\nMessage-ID: {theirs}".encode(), 1)
    )


GATEWAYS: dict[str, Callable[[Letter], Letter]] = {
    "marks kept": lambda one: one,
    "marks dropped": stripped,
    "marks dropped, ids changed": lambda one: renamed(one) if b"X-Responder-Id" in one.raw else one,
}


@pytest.mark.parametrize("gateway", GATEWAYS)
@pytest.mark.parametrize("evenings", [1, 3])
async def test_two_responders(both: Circle, gateway: str, evenings: int) -> None:
    """Both ends answer by responder: each person's letter draws one reply, and no reply draws another."""
    scene, post = both.scene, both.post
    (other,) = both.others
    post.gateway = GATEWAYS[gateway]
    for each in (scene, other):
        await each.run()
    first: set[str] = set()
    for evening in range(evenings):
        scene.clock.at = MONDAY + timedelta(days=evening)
        ids = {f"<{evening}@v.example>", f"<{evening}@e.example>"}
        first |= ids
        raw = letter(IVAN, headers={"Message-ID": f"<{evening}@v.example>"})
        post.post(Letter(sender=IVAN, recipient=OWNER, raw=raw))
        raw = letter(OWNER, headers={"To": IVAN, "Message-ID": f"<{evening}@e.example>"}, return_path=None)
        post.post(Letter(sender=OWNER, recipient=IVAN, raw=raw))
        assert await both.turn() < MOST_TURNS
    assert not post.lost
    sent = Counter(_sender(one.raw) for one in post.handed_in)
    assert max(sent.values()) <= evenings
    assert set(sent) == {OWNER, IVAN}
    for each in (scene, other):
        found = await reasons(each)
        answers = {reason for message_id, reason in found.items() if message_id not in first}
        assert answers == {"automatic"}
