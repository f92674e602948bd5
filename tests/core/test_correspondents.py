"""Who is suggested as a client, which addresses as the owner's, and where people live: told from headers alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core.correspondents import FIELDS, AliasHint, Correspondence
from responder.core.facts import HEADER_FIELDS
from responder.core.zone_guess import _zones, guess_zone

OWN = "anna@example.com"
FREE = frozenset({"gmail.com", "mail.ru"})
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def header(sender: str, to: str = OWN, *, at: datetime = AT, zone: str = "Europe/Moscow", **more: str) -> bytes:
    """Write the header of one letter; in the names of ``more`` "_" stands for "-"."""
    fields = {"From": sender, "To": to, "Date": format_datetime(at.astimezone(ZoneInfo(zone)))}
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()


def correspondence(*came: bytes, wrote: tuple[bytes, ...] = ()) -> Correspondence:
    """Take in letters that came and letters that the owner wrote."""
    found = Correspondence([OWN], FREE)
    for each in came:
        found.came(each, AT)
    for each in wrote:
        found.wrote(each, AT)
    return found


def keys(found: Correspondence) -> list[str]:
    """Return the suggested clients' keys."""
    return [hint.key for hint in found.clients("Europe/Moscow")]


# ------------------------------------------------------------------------------------------ clients


def test_whom_the_owner_answered_is_suggested_most_letters_first() -> None:
    """A letter each way makes a correspondent; who wrote more stands first."""
    found = correspondence(
        header("Ivan Petrov <ivan@vostok.example>"),
        *[header('"Maya O." <maya@harborlane.example>')] * 2,
        header("someone@nowhere.example"),
        wrote=(header(OWN, "ivan@vostok.example, maya@harborlane.example"),),
    )
    maya, ivan = found.clients("Europe/Moscow")
    assert (maya.key, maya.name, maya.addresses) == ("harborlane", "Maya O.", ("maya@harborlane.example",))
    assert (maya.wrote, maya.answered, ivan.wrote, ivan.answered) == (2, 1, 1, 1)
    assert ivan.name == "Ivan Petrov"


def test_who_writes_to_the_owner_alone_again_and_again_is_suggested_without_an_answer() -> None:
    """Three letters to her and nobody else; two are too few, and a copy among many is none."""
    assert keys(correspondence(*[header("ivan@vostok.example")] * 3)) == ["vostok"]
    assert keys(correspondence(*[header("ivan@vostok.example")] * 2)) == []
    assert keys(correspondence(*[header("ivan@vostok.example", f"{OWN}, other@else.example")] * 5)) == []


@pytest.mark.parametrize(
    "letter",
    [
        header("News <news@lists.example>", List_Id="<news.lists.example>"),
        header("shop@shop.example", Auto_Submitted="auto-generated"),
        header("noreply@shop.example"),
        header("bulk@shop.example", Precedence="bulk"),
        header(f"Anna <{OWN}>"),
        header("Anna <Anna+private@example.com>"),
        header("colleague@example.com"),
        header("a@vostok.example, b@vostok.example"),
        header("group: a@vostok.example;"),
        b"",
    ],
)
def test_machines_lists_oneself_and_colleagues_are_never_suggested(letter: bytes) -> None:
    """However often they write, and though the owner wrote to them."""
    addresses = "news@lists.example, shop@shop.example, noreply@shop.example, bulk@shop.example, colleague@example.com"
    found = correspondence(*[letter] * 9, wrote=(header(OWN, f"{addresses}, a@vostok.example"),))
    assert keys(found) == []


def test_people_of_one_firm_are_one_client_and_at_free_mail_each_is_their_own() -> None:
    """Their addresses are listed, who writes most first; never the whole domain, never a free-mail one together."""
    found = correspondence(
        header("a@harborlane.example"),
        *[header("b@harborlane.example")] * 2,
        header("one@gmail.com"),
        header("two@gmail.com"),
        wrote=(header(OWN, "a@harborlane.example, b@harborlane.example, one@gmail.com", Cc="two@gmail.com"),),
    )
    firm, one, two = found.clients("Europe/Moscow")
    assert (firm.key, firm.name) == ("harborlane", "harborlane.example")
    assert firm.addresses == ("b@harborlane.example", "a@harborlane.example")
    assert (one.key, one.addresses, two.key) == ("one", ("one@gmail.com",), "two")


def test_people_of_one_firm_answer_for_each_other() -> None:
    """One writes, another gets the answer: the firm is a correspondent; a letter to both of them is one letter."""
    found = correspondence(
        header("a@harborlane.example"),
        wrote=(header(OWN, "b@harborlane.example, c@harborlane.example"),),
    )
    (firm,) = found.clients("Europe/Moscow")
    assert (firm.addresses, firm.wrote, firm.answered) == (("a@harborlane.example",), 1, 1)


def test_a_letter_that_lies_in_several_folders_is_one_letter() -> None:
    """Gmail shows each in INBOX, in "All Mail" and by its labels, the owner's own too; without an id each counts."""
    once = header("stranger@nowhere.example", Message_ID="<1@nowhere.example>")
    assert keys(correspondence(*[once] * 3)) == []
    mine = header(OWN, "ivan@vostok.example", Message_ID="<2@example.com>")
    found = correspondence(header("ivan@vostok.example"), wrote=(mine, mine))
    assert found.clients("Europe/Moscow")[0].answered == 1
    from_alias = header("office@practice.example", "ivan@vostok.example", Message_ID="<3@practice.example>")
    found = correspondence(wrote=(from_alias,))
    found.came(from_alias, AT)
    assert found.aliases() == (AliasHint(address="office@practice.example", sent_from=1, came_to=0),)
    assert keys(found) == []
    shared = [header(OWN, f"{name}@vostok.example", Message_ID="<4@example.com>") for name in "ab"]
    (hint,) = correspondence(header("a@vostok.example"), wrote=tuple(shared)).clients("Europe/Moscow")
    assert hint.answered == 2, "a program that writes to each of many may give all of them one id"


def test_a_circular_of_the_owners_answers_nobody() -> None:
    """Season's greetings to eleven people, or with hidden copies, make no correspondent of who wrote once."""
    many = ", ".join(["ivan@vostok.example", *(f"guest{number}@guests.example" for number in range(10))])
    circulars = header(OWN, many), header(OWN, OWN, Bcc="ivan@vostok.example")
    assert keys(correspondence(header("ivan@vostok.example"), wrote=circulars)) == []


def test_what_came_alone_to_an_address_that_is_known_later_counts() -> None:
    """The owner confirms an alias: who wrote to nobody but that is a regular after all."""
    found = correspondence(*[header("ivan@vostok.example", "office@example.com")] * 3)
    assert keys(found) == []
    found.add_own(["office@example.com"])
    assert keys(found) == ["vostok"]
    assert keys(correspondence(*[header("ivan@vostok.example", f"{OWN}, (broken")] * 3)) == []


def test_keys_are_names_for_tables_and_each_once() -> None:
    """The firm's own label, also below "co.uk"; what is taken gets a number."""
    senders = ["x@vostok.example", "x@vostok.test", "x@firm.co.uk", "J.Doe+tag@gmail.com", "x@xn--80a1acny.xn--p1ai"]
    found = correspondence(*map(header, senders), wrote=tuple(header(OWN, each) for each in senders))
    assert sorted(keys(found)) == ["firm", "j-doe-tag", "vostok", "vostok-2", "xn-80a1acny"]


def test_language_is_told_by_letters() -> None:
    """Cyrillic is Russian, Latin English; too little is neither."""
    senders = {
        "a@a.example": "Договор аренды, сроки оплаты",
        "b@b.example": "The lease and all its terms",
        "c@c.example": "?",
    }
    found = correspondence(
        *[header(sender, Subject=subject) for sender, subject in senders.items()],
        wrote=tuple(header(OWN, sender) for sender in senders),
    )
    told = {hint.addresses[0]: hint.language for hint in found.clients("Europe/Moscow")}
    assert told == {"a@a.example": "ru", "b@b.example": "en", "c@c.example": ""}


@pytest.mark.parametrize(
    ("sender", "subject", "told"),
    [
        ("Aleksandr Konstantinovich <a@a.example>", "Re: Договор", "ru"),
        ("Maya <a@a.example>", "Re: Fwd: Re: Re: Re: Re: ok", ""),
        ("Daimler <a@a.example>", "Договор Daimler Truck AG", "ru"),
        ("Оксана Гончаренко <a@a.example>", "Договір оренди й ліцензії", ""),
        ("Maya Ortega <a@a.example>", "The lease, and a word of it: аренда", ""),
        ("Maya Ortega <a@a.example>", "The lease and everything that comes with it, Ж", "en"),
    ],
)
def test_a_language_in_doubt_is_left_open(sender: str, subject: str, told: str) -> None:
    """Names in Latin letters make no Russian English, prefixes are nobody's words, and Ukrainian is not Russian."""
    found = correspondence(*[header(sender, Subject=subject)] * 3)
    assert [hint.language for hint in found.clients("Europe/Moscow")] == [told]


def test_a_name_that_holds_an_address_or_control_is_no_name() -> None:
    """The display name is a stranger's text: cleaned, cut, and never taken for an address."""
    tricks = {
        "a@a.example": '"boss@bank.example" <a@a.example>',
        "b@b.example": "=?utf-8?Q?Ivan=0D=0A=1B[31m?= <b@b.example>",
        "c@c.example": f"{'x' * 300} <c@c.example>",
    }
    found = correspondence(*map(header, tricks.values()), wrote=tuple(header(OWN, each) for each in tricks))
    names = {hint.addresses[0]: hint.name for hint in found.clients("Europe/Moscow")}
    assert names == {"a@a.example": "a@a.example", "b@b.example": "Ivan [31m", "c@c.example": "x" * 60}


# ------------------------------------------------------------------------------------------ aliases


def test_what_was_written_from_or_delivered_to_is_suggested() -> None:
    """A From of Sent, a Delivered-To that stands in To, and an address of the own domain to which letters came."""
    found = correspondence(
        *[header("ivan@vostok.example", "office@example.com")] * 3,
        header("ivan@vostok.example", "a.svetlova@gmail.com", Delivered_To="a.svetlova@gmail.com"),
        wrote=(header("Anna <info@practice.example>", "ivan@vostok.example"),) * 2,
    )
    assert found.aliases() == (
        AliasHint(address="info@practice.example", sent_from=2, came_to=0),
        AliasHint(address="office@example.com", sent_from=0, came_to=3),
        AliasHint(address="a.svetlova@gmail.com", sent_from=0, came_to=1),
    )
    found.add_own(["office@example.com", "info@practice.example", "a.svetlova@gmail.com"])
    assert found.aliases() == ()


@pytest.mark.parametrize(
    "letter",
    [
        header("ivan@vostok.example", f"{OWN}, other@example.com"),
        header("ivan@vostok.example", "other@example.com, more@example.com"),
        header("ivan@vostok.example", "other@else.example"),
        header("ivan@vostok.example", "Anna+tag@example.com"),
        header("news@lists.example", "other@example.com", List_Id="<x.lists.example>"),
        header("ivan@vostok.example", "friends@lists.example", Delivered_To=OWN),
    ],
)
def test_somebody_elses_address_is_no_alias(letter: bytes) -> None:
    """Beside the owner, among several, of another domain, her own with a tag, a list's: nothing is suggested."""
    assert correspondence(*[letter] * 9).aliases() == ()


def test_who_writes_to_the_owner_is_somebody_else() -> None:
    """A colleague reached by a hidden copy, or written to; a client whose letter was sent on as it had come."""
    hidden = [header("ivan@vostok.example", "colleague@example.com", Delivered_To="colleague@example.com")] * 3
    assert correspondence(*hidden).aliases() != ()
    assert correspondence(*hidden, header("colleague@example.com")).aliases() == ()
    assert correspondence(*hidden, wrote=(header(OWN, "colleague@example.com"),)).aliases() == ()
    sent_on = header("ivan@vostok.example", "else@else.example", Resent_From=OWN)
    found = correspondence(*[header("ivan@vostok.example")] * 3, wrote=(sent_on,))
    assert found.aliases() == ()
    assert keys(found) == ["vostok"]


def test_an_alias_is_suggested_without_its_tag() -> None:
    """What stands behind "+" makes no other address."""
    tagged = [header("ivan@vostok.example", f"office+{number}@example.com") for number in range(3)]
    found = correspondence(*tagged, wrote=(header("info+a@practice.example", "ivan@vostok.example"),))
    assert [(hint.address, hint.came_to) for hint in found.aliases()] == [
        ("info@practice.example", 0),
        ("office@example.com", 3),
    ]


def test_where_the_owner_lives_is_told_by_what_they_sent() -> None:
    """The clock of Sent, when the machine has no zone of a place, or another one; nothing sent tells nothing."""
    found = Correspondence([OWN], FREE)
    assert found.own_zone("") is None
    for number in range(5):
        at = AT - timedelta(days=20 * number)
        found.wrote(header(OWN, f"a{number}@vostok.example", at=at, zone="Asia/Yekaterinburg"), at)
    for system in ("", "Europe/Berlin"):
        guess = found.own_zone(system)
        assert guess is not None
        assert (guess.zone, guess.sure) == ("Asia/Yekaterinburg", True)
    guess = found.own_zone("Asia/Tashkent")
    assert guess is not None
    assert guess.zone == "Asia/Tashkent", "the machine's agrees"


# ------------------------------------------------------------------------------------------ who signs

SIGNED = "{}; dmarc=pass header.from=vostok.example; spf=pass"


def signed(*names: str) -> Correspondence:
    """Take in letters of so many domains whose topmost results bear these names."""
    return correspondence(
        *[
            header(f"a@firm{number}.example", Authentication_Results=SIGNED.format(name))
            for number, name in enumerate(names)
        ]
    )


def test_the_server_that_signs_nearly_all_senders_is_the_owners() -> None:
    """Five senders and nine tenths; fewer, many hands, a name that is no host, or results without DMARC: nobody."""
    assert signed(*["mx.example.com"] * 5).signer() == "mx.example.com"
    assert signed(*["mx.example.com"] * 18, "mx.else.example", "x.example").signer() == "mx.example.com"
    assert signed(*["mx.example.com"] * 4).signer() == ""
    assert signed(*["mx.example.com"] * 10, *["mx.else.example"] * 2).signer() == ""
    assert signed(*["localhost"] * 20).signer() == ""
    assert signed(*["mx_1.example.com"] * 20).signer() == ""
    assert correspondence().signer() == ""
    without = [header(f"a@f{each}.example", Authentication_Results="mx.example.com; spf=pass") for each in range(20)]
    assert correspondence(*without).signer() == ""


def test_one_senders_own_server_is_not_the_owners() -> None:
    """Where the provider signs nothing, one organisation whose mail brings results along cannot vouch for itself."""
    theirs = header("a@bank.example", Authentication_Results=SIGNED.format("mx.bank.example"))
    assert correspondence(*[theirs] * 200).signer() == ""


# -------------------------------------------------------------------------------------------- zones

AUTUMN = [datetime(2026, 8, 28, 9, tzinfo=UTC) + timedelta(days=6 * number, hours=number % 5) for number in range(15)]


def clocked(zone: str, letters: list[datetime]) -> list[tuple[datetime, timedelta]]:
    """Return letters by the clock of a zone."""
    return [(at, at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()) for at in letters]


@pytest.mark.parametrize(
    ("zone", "domain", "told"),
    [
        ("Asia/Vladivostok", "vostok.example", "Asia/Vladivostok"),
        ("Europe/Moscow", "firm.ru", "Europe/Moscow"),
        ("America/New_York", "harbor.example", "America/New_York"),
        ("America/Chicago", "firm.com", "America/Chicago"),
        ("Europe/Berlin", "firm.de", "Europe/Berlin"),
        ("Europe/Madrid", "firm.es", "Europe/Madrid"),
        ("Europe/Madrid", "firm.com", "Europe/Berlin"),
        ("Europe/London", "firm.co.uk", "Europe/London"),
        ("Asia/Yekaterinburg", "firm.ru", "Asia/Yekaterinburg"),
        ("Asia/Tashkent", "firm.uz", "Asia/Tashkent"),
        ("Asia/Kolkata", "firm.com", "Asia/Kolkata"),
        ("Australia/Sydney", "firm.com.au", "Australia/Sydney"),
        ("Europe/Minsk", "firm.by", "Europe/Minsk"),
    ],
)
def test_a_zone_is_told_by_the_clock_and_the_country(zone: str, domain: str, told: str) -> None:
    """Over the weeks in which Europe and America set their clocks back; the hours are right in any case."""
    guess = guess_zone(clocked(zone, AUTUMN), domain, "Europe/Moscow")
    assert guess is not None
    assert (guess.zone, guess.sure) == (told, True)
    assert "15 letters" in guess.why


def test_the_owners_zone_comes_before_a_bigger_one() -> None:
    """Where nothing else tells, people live where the owner does."""
    guess = guess_zone(clocked("Europe/Paris", AUTUMN), "firm.com", "Europe/Paris")
    assert guess is not None
    assert guess.zone == "Europe/Paris"


def test_without_a_clock_change_between_the_letters_it_is_unsure() -> None:
    """What keeps the same clock in these letters and another one in other months is marked."""
    summer = [datetime(2026, 7, day, 9, tzinfo=UTC) for day in range(1, 9)]
    guess = guess_zone(clocked("America/New_York", summer), "firm.com", "Europe/Moscow")
    assert guess is not None
    assert (guess.zone, guess.sure) == ("America/New_York", False)
    guess = guess_zone(clocked("Europe/Athens", AUTUMN), "firm.com", "Europe/Moscow")
    assert guess is not None
    assert (guess.zone, guess.sure) == ("Europe/Kyiv", False), "Jerusalem sets its clocks on other days"
    guess = guess_zone(clocked("Asia/Vladivostok", summer[:2]), "firm.com", "Europe/Moscow")
    assert guess is not None
    assert not guess.sure, "two letters are too few"


def test_utc_is_the_clock_of_machines() -> None:
    """Letters that all say +0000 tell nothing, but for a country that keeps it; then it is unsure."""
    winter = [datetime(2026, 11, day, 9, tzinfo=UTC) for day in range(2, 9)]
    assert guess_zone(clocked("UTC", winter), "firm.com", "Europe/London") is None
    assert guess_zone(clocked("UTC", winter), "firm.de", "Europe/London") is None
    guess = guess_zone(clocked("UTC", winter), "firm.co.uk", "Europe/Moscow")
    assert guess is not None
    assert (guess.zone, guess.sure) == ("Europe/London", False)
    assert guess_zone([], "firm.de", "Europe/Moscow") is None


def said(letters: list[tuple[datetime, timedelta]], domain: str = "firm.com") -> tuple[str, bool, str] | None:
    """Return a guess for an owner in Moscow as zone, sure, why."""
    guess = guess_zone(letters, domain, "Europe/Moscow")
    return (guess.zone, guess.sure, guess.why) if guess is not None else None


def test_letters_that_servers_stamped_never_make_a_zone_sure() -> None:
    """Three letters by a phone among thirty by UTC are a hint, and both are said; one or two are none at all."""
    winter = [datetime(2026, 11, day, 9, tzinfo=UTC) for day in range(2, 25)]
    phone = clocked("Asia/Tokyo", winter[:3])
    told = "3 of 23 letters by a clock of UTC+9; 20 by UTC, as servers write it"
    assert said([*phone, *clocked("UTC", winter[3:])], "firm.jp") == ("Asia/Tokyo", False, told)
    assert said([*phone[:2], *clocked("UTC", winter[3:])], "firm.jp") is None


def test_servers_do_not_outvote_the_one_letter_that_tells() -> None:
    """Twenty letters stamped in UTC in winter are not London's: the one that is not says otherwise."""
    winter = [datetime(2026, 11, day, 9, tzinfo=UTC) for day in range(2, 23)]
    assert said([*clocked("Asia/Tokyo", winter[:1]), *clocked("UTC", winter[1:])]) is None


def test_one_letter_alone_decides_nothing() -> None:
    """Nine letters in summer and one in winter may be New York, or Caracas and a journey: the other zone is named."""
    summer = [datetime(2026, 10, day, 9, tzinfo=UTC) for day in range(10, 19)]
    winter = [datetime(2026, 11, day, 9, tzinfo=UTC) for day in range(2, 5)]
    told = "10 letters by a clock of UTC-4 and UTC-5; America/Caracas would fit too"
    assert said(clocked("America/New_York", [*summer, winter[0]])) == ("America/New_York", False, told)
    told = "12 letters by a clock of UTC-4 and UTC-5"
    assert said(clocked("America/New_York", [*summer, *winter])) == ("America/New_York", True, told)


def test_zones_that_differ_for_days_are_told_apart() -> None:
    """Jerusalem sets its clocks two days before Athens: in those days an hour said by the other would be wrong."""
    letters = [datetime(2026, 2, 1, 9, tzinfo=UTC) + timedelta(days=12 * number) for number in range(10)]
    guess = said(clocked("Europe/Kyiv", [each for each in letters if each.month != 4]))
    assert guess is not None
    assert (guess[0], guess[1]) == ("Europe/Kyiv", False)
    assert "Asia/Jerusalem would fit too" in guess[2]


@pytest.mark.parametrize("date", ["Mon, 1 Jan 0001 00:00:00 -0500", "Fri, 31 Dec 9999 23:59:00 +0300"])
def test_the_ends_of_the_calendar_break_nothing(date: str) -> None:
    """A Date at the beginning or the end of time, where the server does not say when the letter came."""
    found = Correspondence([OWN], FREE)
    for _ in range(3):
        found.came(b"From: ivan@vostok.example\r\nTo: anna@example.com\r\nDate: " + date.encode(), None)
    assert [hint.zone for hint in found.clients("Europe/Moscow")] == [None]


def test_a_web_mailer_beside_a_phone_and_a_journey() -> None:
    """UTC among other clocks is left aside; a few letters from abroad change nothing; half and half is no guess."""
    mixed = [*clocked("Asia/Vladivostok", AUTUMN[:9]), *clocked("UTC", AUTUMN[9:])]
    guess = guess_zone(mixed, "firm.ru", "Europe/Moscow")
    assert guess is not None
    assert (guess.zone, guess.sure) == ("Asia/Vladivostok", False)
    journey = [*clocked("Asia/Vladivostok", AUTUMN[:11]), *clocked("Asia/Dubai", AUTUMN[11:])]
    guess = guess_zone(journey, "firm.ru", "Europe/Moscow")
    assert guess is not None
    assert (guess.zone, guess.sure) == ("Asia/Vladivostok", False)
    assert guess.why == "11 of 15 letters by a clock of UTC+10"
    half = [*clocked("Asia/Vladivostok", AUTUMN[:7]), *clocked("Asia/Dubai", AUTUMN[7:])]
    assert guess_zone(half, "firm.ru", "Europe/Moscow") is None


@given(
    st.sampled_from(_zones()),
    st.lists(
        st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 1)).map(lambda at: at.replace(tzinfo=UTC)),  # noqa: DTZ001 - UTC follows
        min_size=1,
        max_size=40,
    ),
    st.sampled_from(["firm.com", "firm.ru", "firm.de", "firm.co.uk", "firm.us"]),
)
def test_a_guess_never_contradicts_the_letters(zone: str, letters: list[datetime], domain: str) -> None:
    """Whatever zone is suggested shows the very clock that each letter was written by; and what is sure, all year."""
    guess = guess_zone(clocked(zone, letters), domain, "Europe/Moscow")
    if guess is None:
        assert all(not offset for _, offset in clocked(zone, letters))
        return
    assert clocked(guess.zone, letters) == clocked(zone, letters)
    if guess.sure:
        year = [datetime(letters[-1].year, 1, 1, tzinfo=UTC) + timedelta(days=step) for step in range(700)]
        assert clocked(guess.zone, year) == clocked(zone, year)


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_no_octets_raise(headers: list[bytes]) -> None:
    """Whatever stands in a header, looking back goes on."""
    found = Correspondence([OWN], FREE)
    for each in headers:
        for octets in (
            each,
            b"From: " + each,
            b"From: a@b.example\r\nDate: " + each,
            b"From: a@b.example\r\nTo: " + each,
        ):
            found.came(octets, AT)
            found.came(octets, None)
            found.wrote(octets, AT)
    found.aliases()
    found.clients("Europe/Moscow")


def test_a_date_far_from_its_arrival_tells_no_clock() -> None:
    """A wrong clock is not where somebody lives."""
    wrong = header("ivan@vostok.example", at=AT - timedelta(days=3), zone="Asia/Tokyo")
    found = correspondence(*[wrong] * 3)
    (hint,) = found.clients("Europe/Moscow")
    assert hint.zone is None


def test_memory_is_bounded() -> None:
    """A mailbox full of strangers keeps a bounded number of them."""
    found = Correspondence([OWN], FREE)
    for number in range(6_000):
        found.came(header(f"a@firm{number}.example"), AT)
        found.wrote(header(f"b@own{number}.example", f"c@client{number}.example"), AT)
        found.came(header(f"Name {number} <one@one.example>", f"to{number}@example.com"), AT)
    assert len(found._people) == 5_000
    assert len(found._came_to) == 5_000
    assert len(found._people["one@one.example"].names) == 8
    assert len(found._people["one@one.example"].alone) == 200
    assert len(found._sent_from) == 5_000


def test_the_fields_are_those_that_are_read() -> None:
    """What tells a machine's letter is asked for as the daemon asks for it."""
    machines = set(HEADER_FIELDS) - {"Resent-To", "Resent-Cc", "Resent-Bcc", "In-Reply-To", "References"}
    assert machines - set(FIELDS) <= {"MIME-Version", "Content-Transfer-Encoding"}
