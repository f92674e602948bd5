"""``responder replay`` over a real Dovecot: what the rules would have done, and nothing on the server changed by it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.scene import OWNER, letter
from tests.e2e.test_commands import responder, scene
from tests.e2e.test_users_day import FRIDAY

if TYPE_CHECKING:
    import subprocess

    from tests.e2e.scene import Scene
    from tests.servers.mail_program import MailProgram

__all__ = ["scene"]

pytestmark = pytest.mark.server

HOUR = timedelta(hours=1)
VOSTOK = "Клиенты/Восток"
SINCE = "2026-11-09"


def replay(scene: Scene, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the scene's configuration."""
    done = responder(
        "replay", *words, "--config", str(scene.config), "--state", str(scene.state / "none"), home=scene.folder
    )
    assert done.returncode == 0, done.stderr
    return done


def rows(scene: Scene, *words: str) -> list[dict[str, Any]]:
    """Return the rows as JSON."""
    found: list[dict[str, Any]] = json.loads(replay(scene, "--since", SINCE, "--json", *words).stdout)
    return found


def snapshot(program: MailProgram) -> list[tuple[str, dict[bytes, int], list[tuple[int, Any]]]]:
    r"""Return what the server holds: each folder's numbers, and each message's flags, \\Recent among them."""
    found = []
    with program.session() as imap:
        for flags, _, folder in sorted(imap.list_folders(), key=lambda row: row[2]):
            if b"\\NonExistent" in flags or b"\\Noselect" in flags:
                continue
            status = imap.folder_status(folder, ["MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "RECENT"])
            imap.select_folder(folder, readonly=True)
            there = imap.fetch(imap.search(), ["FLAGS"]) if status[b"MESSAGES"] else {}
            found.append((folder, status, sorted((uid, sorted(one[b"FLAGS"])) for uid, one in there.items())))
    return found


def fill(scene: Scene) -> None:
    """Lay a fortnight of mail into several folders, as the owner's own hands have sorted it."""
    arrive = scene.arrive
    with scene.program.session() as imap:
        for folder in (VOSTOK, "Spam"):
            imap.create_folder(scene.program.wire(folder))
    arrive(letter("ivan@vostok.example", "Договор аренды", headers={"Message-ID": "<one@vostok.example>"}), FRIDAY)
    arrive(letter("ivan@vostok.example", "ещё", headers={"Message-ID": "<two@vostok.example>"}), FRIDAY + HOUR)
    arrive(letter("who@nowhere.example", "Hello"), FRIDAY + 2 * HOUR)
    arrive(letter("news@vostok.example", "Новости", headers={"List-Id": "<news>"}), FRIDAY + HOUR, folder=VOSTOK)
    by_day = FRIDAY - 4 * HOUR
    arrive(letter("ivan@vostok.example", "днём", headers={"Message-ID": "<day@x>"}), by_day, folder=VOSTOK)
    arrive(letter("kolya@vostok.example", "сам", headers={"Message-ID": "<own@x>"}), FRIDAY + 3 * HOUR)
    answer = letter(
        OWNER, "Re: сам", headers={"To": "kolya@vostok.example", "In-Reply-To": "<own@x>"}, return_path=None
    )
    arrive(answer, FRIDAY + 3 * HOUR + timedelta(minutes=2), folder="Sent")
    arrive(letter("ivan@vostok.example", "spam", headers={"Message-ID": "<junk@x>"}), FRIDAY, folder="Spam")


def test_past_mail_is_judged_as_if_it_came_again(scene: Scene) -> None:
    """Reply, silence and window are those of the night it came, with the owner's answers of then, in every folder."""
    fill(scene)
    found = {row["message_id"]: row for row in rows(scene)}
    reasons = {key: row["reason"] for key, row in found.items() if key.startswith(("<one", "<two", "<day", "<own"))}
    assert reasons == {
        "<one@vostok.example>": "full",
        "<two@vostok.example>": "told",
        "<day@x>": "open",
        "<own@x>": "answered",
    }
    assert sorted(row["reason"] for row in found.values()).count("stranger") == 1
    assert sorted(row["reason"] for row in found.values()).count("automatic") == 1
    assert "<junk@x>" not in found
    one = found["<one@vostok.example>"]
    assert (one["reply"], one["due_at"], one["folder"]) == (
        "full",
        "2026-11-17T16:00:00Z",
        "Callbacks/2026-11-16 10-00",
    )
    assert found["<day@x>"]["found_in"] == VOSTOK


def test_nothing_changes_on_the_server(scene: Scene) -> None:
    r"""Flags, \\Recent, UIDNEXT and UIDVALIDITY of every folder are as before; nothing is sent, no state is made."""
    fill(scene)
    before = snapshot(scene.program)
    replay(scene, "--since", SINCE)
    assert snapshot(scene.program) == before
    assert scene.replies() == []
    assert list(scene.state.iterdir()) == []


def test_the_text_of_a_reply_is_shown_on_request(scene: Scene) -> None:
    """``--text`` shows the reply that would have left; for a silent message it names the reason."""
    fill(scene)
    said = replay(scene, "--since", SINCE, "--text", "<one@vostok.example>").stdout
    assert "Здравствуйте, Иван Петрович!" in said
    assert "1 full" in said
    said = replay(scene, "--since", SINCE, "--text", "<two@vostok.example>").stdout
    assert "No reply would have gone out to <two@vostok.example>: told" in said


def test_two_sets_of_rules_are_compared(scene: Scene) -> None:
    """``--diff`` shows only the messages that the other rules would treat differently, and both totals."""
    fill(scene)
    other = scene.folder / "other.toml"
    text = scene.config.read_text()
    assert "[hours]" in text
    other.write_text(re.sub(r"(\[hours\]\n)", r'\1"2026-11-16" = []\n', text, count=1))
    said = replay(scene, "--since", SINCE, "--diff", str(other)).stdout
    assert "treated differently" in said
    changed = re.search(r"(\d+) messages looked at, (\d+) treated differently", said)
    assert changed is not None
    assert changed.groups() == ("6", "4")
    assert "Callbacks/2026-11-17 10-00" in said


def test_an_unknown_folder_is_named(scene: Scene) -> None:
    """A folder that does not exist is an error that names those which do."""
    done = responder(
        *("replay", "--folder", "Nirgends", "--config", str(scene.config), "--state", str(scene.state)),
        home=scene.folder,
    )
    assert done.returncode == 78
    assert "no folder 'Nirgends'" in done.stderr


@pytest.mark.parametrize("words", ["in 3 days", "xyzzy", "2999-01-01"])
def test_a_span_that_is_none_is_refused(scene: Scene, words: str) -> None:
    """What means nothing, or has yet to come, is a usage error with examples."""
    done = responder("replay", "--since", words, "--config", str(scene.config), home=scene.folder)
    assert done.returncode == 64
    assert words in done.stderr
