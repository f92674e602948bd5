"""What the ledger counts of its own life: neither forgetting nor doing a thing twice changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responder.core.model import Outcome, Reason, Receipt, ReplyKind, SaveDraft
from tests.adapters.ledger_build import DAY, DUE, HOUR, MESSAGE, NOW, OPENS, close, decision, enter, entry, reply, wrote

if TYPE_CHECKING:
    from responder.ports import Ledger


async def counts(ledger: Ledger) -> dict[tuple[str, ...], int]:
    """Return the counts by what they are of."""
    return {
        tuple(word for word in (one.name, one.mailbox, one.word, one.outcome) if word): one.count
        for one in await ledger.counted()
    }


async def test_each_message_counts_once_by_its_reason(ledger: Ledger) -> None:
    """A message counts when it is decided: not while it waits, not when it is entered again."""
    waits, other = entry("w"), entry("o", mailbox="second", address="b@x.example")
    await ledger.record(state=None, waiting=[waits], decisions=(), now_at=NOW)
    assert await counts(ledger) == {}
    for _ in range(2):
        await enter(ledger, decision(waits, reason=Reason.TOLD), decision(other, reason=Reason.STRANGER))
    assert await counts(ledger) == {("messages", "main", "told"): 1, ("messages", "second", "stranger"): 1}


async def test_replies_count_by_kind_and_by_what_became_of_them(ledger: Ledger) -> None:
    """What was put off does not count yet; what was in doubt and is found in Sent counts as both."""
    ones = [entry(name, address=f"{name}@x.example") for name in "abc"]
    sent, refused, doubt = await enter(
        ledger,
        decision(ones[0], reply(ones[0])),
        decision(ones[1], reply(ones[1], kind=ReplyKind.SHORT)),
        decision(ones[2], reply(ones[2])),
    )
    await close(ledger, sent, refused, doubt, outcome=Outcome.RETRY)
    assert ("replies", "main", "full", "done") not in await counts(ledger)
    await close(ledger, sent)
    await close(ledger, refused, outcome=Outcome.REFUSED)
    await close(ledger, doubt, outcome=Outcome.IN_DOUBT)
    await close(ledger, sent, doubt)
    found = {key[2:]: count for key, count in (await counts(ledger)).items() if key[0] == "replies"}
    assert found == {("full", "done"): 2, ("full", "in-doubt"): 1, ("short", "refused"): 1}


async def test_a_draft_counts_as_drafted(ledger: Ledger) -> None:
    """A reply laid into Drafts was not sent."""
    one = entry("a")
    draft = SaveDraft(
        fingerprint="a",
        mailbox="main",
        kind=ReplyKind.FULL,
        client="vostok",
        address=one.address,
        message_id="<r.a@example.com>",
        message=MESSAGE,
        due_at=DUE,
        period_ends_at=OPENS,
        not_after=OPENS,
    )
    (stored,) = await enter(ledger, decision(one, draft))
    await ledger.advance(receipts=[Receipt(effect_id=stored.id, outcome=Outcome.DONE, at=NOW, detail="")])
    assert (await counts(ledger))["replies", "main", "full", "drafted"] == 1


async def test_promises_count_when_opened_and_when_they_end(ledger: Ledger) -> None:
    """Kept up to the due time, late after it; and all of it stays when the messages are forgotten."""
    ones = [entry(name, address=f"{name}@x.example") for name in "abc"]
    await enter(ledger, *(decision(one, promises=True) for one in ones))
    await ledger.owner_wrote([wrote(NOW + HOUR, refers_to=("<a@mail.example>",))])
    await ledger.owner_wrote([wrote(DUE + HOUR, refers_to=("<b@mail.example>",))])
    expected = {
        ("messages", "main", "full"): 3,
        ("promises", "main", "opened"): 3,
        ("promises", "main", "kept"): 1,
        ("promises", "main", "late"): 1,
    }
    assert await counts(ledger) == expected
    assert await ledger.prune(OPENS + 9 * DAY) == 2
    assert await counts(ledger) == expected
