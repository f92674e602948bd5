"""The ledger's tables, and the steps that bring an older file to them.

It promises ``adapters/ledger.py``: the rules that keep a second reply from being sent are indexes of the database,
so that no programming error and no second process can get round them.

Instants are whole microseconds since 1970-01-01 UTC: they compare and index as numbers. Lists and windows are JSON.
A step, once released, is never edited: a change of the schema is one more step.
"""

from __future__ import annotations

#: Marks a file as ours ("Rspd"), so that another program's database is refused and not migrated.
APPLICATION_ID = 0x52737064

#: Replies that make the client told and count against the caps: all but those that certainly did not leave.
#: These texts must be the same in indexes and queries, or SQLite does not see that the one serves the other.
COUNTS = "reply_kind IS NOT NULL AND counts = 1"
#: Full replies that left, or may have.
TOLD_IN_FULL = "reply_kind = 'full' AND counts = 1 AND unfinished = 0"
#: Replies that ``status`` shows to the owner.
TROUBLE = "reply_kind IS NOT NULL AND unfinished = 0 AND state IN ('in-doubt', 'refused')"
#: Alerts that were given or will be.
ALERTED = "only_once IS NOT NULL AND counts = 1"

_FIRST = (
    """CREATE TABLE mailboxes (
        name TEXT PRIMARY KEY,
        uidvalidity INTEGER NOT NULL,
        baseline_uid INTEGER NOT NULL,
        next_uid INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        sent_folder TEXT,
        sent_uidvalidity INTEGER,
        sent_uidnext INTEGER
    ) STRICT""",
    # reason is NULL while the message waits for its verdict; what follows is as it was when decided.
    """CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        fingerprint TEXT NOT NULL UNIQUE,
        mailbox TEXT NOT NULL,
        uidvalidity INTEGER NOT NULL,
        uid INTEGER NOT NULL,
        address TEXT NOT NULL,
        client TEXT NOT NULL,
        message_id TEXT NOT NULL,
        arrived_at INTEGER NOT NULL,
        seen_at INTEGER NOT NULL,
        reason TEXT,
        reply TEXT,
        due_at INTEGER,
        decided_at INTEGER,
        topic TEXT,
        window TEXT,
        folder TEXT,
        steps TEXT,
        trail TEXT
    ) STRICT""",
    "CREATE INDEX waiting_messages ON messages (mailbox, arrived_at) WHERE reason IS NULL",
    # Serves ``explain`` by Message-ID and by sender too, newest first: two more indexes would cost each message.
    "CREATE INDEX decided_messages ON messages (decided_at) WHERE reason IS NOT NULL",
    # AUTOINCREMENT: an id is never used again, so that a late receipt cannot close another effect. reply_kind is
    # that of the reply which an effect brings, NULL for every other effect. unfinished and counts follow from the
    # state; they are columns so that planned → started, the commonest change, touches no index.
    """CREATE TABLE effects (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        message INTEGER REFERENCES messages (id) ON DELETE CASCADE,
        mailbox TEXT NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        unfinished INTEGER NOT NULL CHECK (unfinished = (state IN ('planned', 'started'))),
        counts INTEGER NOT NULL CHECK (counts = (state NOT IN ('refused', 'expired', 'gone'))),
        reply_kind TEXT,
        address TEXT,
        period_ends_at INTEGER,
        only_once TEXT,
        changed_at INTEGER NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        detail TEXT NOT NULL DEFAULT ''
    ) STRICT""",
    "CREATE INDEX effects_by_message ON effects (message)",
    f"CREATE UNIQUE INDEX one_reply_per_message ON effects (message) WHERE {COUNTS}",
    f"CREATE UNIQUE INDEX one_reply_per_period ON effects (address, period_ends_at) WHERE {COUNTS}",
    f"CREATE UNIQUE INDEX one_alert ON effects (only_once) WHERE {ALERTED}",
    # The last columns are those of the condition: with them a query need not look at the rows themselves.
    f"CREATE INDEX replies_by_time ON effects (changed_at, address, reply_kind, counts) WHERE {COUNTS}",
    f"""CREATE INDEX full_replies ON effects (address, changed_at, reply_kind, counts, unfinished)
        WHERE {TOLD_IN_FULL}""",
    f"CREATE INDEX troubled_replies ON effects (state, changed_at) WHERE {TROUBLE}",
    "CREATE INDEX unfinished_effects ON effects (mailbox) WHERE unfinished = 1",
    # What an effect is in full, apart: it is written once, while the effect's row changes three times.
    """CREATE TABLE payloads (
        effect INTEGER PRIMARY KEY REFERENCES effects (id) ON DELETE CASCADE,
        payload TEXT NOT NULL,
        octets BLOB
    ) STRICT""",
    # Opened when the message arrived. told_by is the effect whose octets hold the words that were sent; refers_to
    # is the client's thread.
    """CREATE TABLE promises (
        message INTEGER PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
        client TEXT NOT NULL,
        address TEXT NOT NULL,
        refers_to TEXT NOT NULL,
        due_at INTEGER NOT NULL,
        told_at INTEGER,
        told_by INTEGER,
        state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'kept', 'late', 'withdrawn')),
        ended_at INTEGER,
        evidence TEXT
    ) STRICT""",
    "CREATE INDEX open_promises ON promises (client, due_at, address) WHERE state = 'open'",
    """CREATE TABLE owner_messages (
        at INTEGER NOT NULL,
        message_id TEXT NOT NULL,
        refers_to TEXT NOT NULL,
        recipients TEXT NOT NULL,
        PRIMARY KEY (at, message_id)
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE suspensions (address TEXT PRIMARY KEY, until_at INTEGER NOT NULL) STRICT",
    """CREATE TABLE folders (
        mailbox TEXT NOT NULL,
        folder TEXT NOT NULL,
        window_key TEXT NOT NULL,
        opens_at INTEGER NOT NULL,
        closes_at INTEGER NOT NULL,
        channels TEXT NOT NULL,
        PRIMARY KEY (mailbox, folder)
    ) STRICT""",
    "CREATE TABLE breaker (id INTEGER PRIMARY KEY CHECK (id = 1), until_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    f"PRAGMA application_id = {APPLICATION_ID}",
)

# Replies are found by their id, as Sent shows them; and signs of replies that are not this ledger's own are kept:
# it may have been lost or restored from a backup, or another responder may be at work.
_SEEN_REPLIES = (
    "ALTER TABLE effects ADD COLUMN reply_id TEXT",
    """UPDATE effects SET reply_id =
        (SELECT json_extract(payload, '$.message_id') FROM payloads WHERE effect = effects.id)
        WHERE reply_kind IS NOT NULL""",
    "CREATE INDEX replies_by_id ON effects (reply_id) WHERE reply_id IS NOT NULL",
    """CREATE TABLE seen_replies (
        at INTEGER NOT NULL,
        key TEXT NOT NULL,
        address TEXT NOT NULL,
        answers TEXT NOT NULL,
        taken INTEGER NOT NULL,
        PRIMARY KEY (at, key)
    ) STRICT, WITHOUT ROWID""",
)

# What became of the mail after it was filed: where it lies, how often it was carried over, by what a promise ended.
# weak is '' where the owner's own message ended the promise, else what was seen: 'answered', 'moved'. declared_at is
# when it was found to be late. left_at is when a filed message was finished, or taken out of our folders.
_FOLLOWED = (
    "ALTER TABLE messages ADD COLUMN subject TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE messages ADD COLUMN note TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE messages ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE promises ADD COLUMN weak TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE promises ADD COLUMN declared_at INTEGER",
    # Only of messages that name none which they answer, without "Re:"; and the keys of the clients they went to.
    "ALTER TABLE owner_messages ADD COLUMN subject TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE owner_messages ADD COLUMN clients TEXT NOT NULL DEFAULT '[]'",
    # Only what we made is ever removed; of a folder made by an earlier version nobody knows.
    "ALTER TABLE folders ADD COLUMN made INTEGER NOT NULL DEFAULT 0",
    # The end of the last window for which mail was filed there: a pattern may give several windows one folder.
    "ALTER TABLE folders ADD COLUMN until_at INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE filed (
        message INTEGER PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
        mailbox TEXT NOT NULL,
        folder TEXT NOT NULL,
        window TEXT NOT NULL,
        carried INTEGER NOT NULL DEFAULT 0,
        left_at INTEGER
    ) STRICT""",
    "CREATE INDEX filed_here ON filed (mailbox) WHERE left_at IS NULL",
    """INSERT INTO filed (message, mailbox, folder, window)
        SELECT message, mailbox, json_extract(payload, '$.folder'), json_extract(payload, '$.window')
        FROM effects JOIN payloads ON effect = effects.id
        WHERE kind = 'file-message' AND state = 'done' AND message IS NOT NULL GROUP BY message""",
)

# How often what happened, since this ledger began, counted where it happens and in the same transaction: neither a
# restart nor forgetting takes anything away. Names no person. outcome is '' for what has none.
_COUNT = """INSERT INTO counters (name, mailbox, word, outcome, count) VALUES ({}, 1)
    ON CONFLICT (name, mailbox, word, outcome) DO UPDATE SET count = count + 1"""
_COUNT_MESSAGE = _COUNT.format("'messages', NEW.mailbox, NEW.reason, ''")
_COUNT_PROMISE = _COUNT.format("'promises', (SELECT mailbox FROM messages WHERE id = NEW.message), {}, ''")
_OUTCOME = "CASE WHEN {0}kind = 'save-draft' AND {0}state = 'done' THEN 'drafted' ELSE {0}state END"
_COUNT_REPLY = _COUNT.format(f"'replies', NEW.mailbox, NEW.reply_kind, {_OUTCOME.format('NEW.')}")
_COUNTED = (
    """CREATE TABLE counters (
        name TEXT NOT NULL,
        mailbox TEXT NOT NULL,
        word TEXT NOT NULL,
        outcome TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (name, mailbox, word, outcome)
    ) STRICT, WITHOUT ROWID""",
    f"""CREATE TRIGGER message_entered AFTER INSERT ON messages WHEN NEW.reason IS NOT NULL
        BEGIN {_COUNT_MESSAGE}; END""",
    f"""CREATE TRIGGER message_decided AFTER UPDATE OF reason ON messages
        WHEN OLD.reason IS NULL AND NEW.reason IS NOT NULL BEGIN {_COUNT_MESSAGE}; END""",
    f"""CREATE TRIGGER reply_closed AFTER UPDATE OF state ON effects
        WHEN NEW.reply_kind IS NOT NULL AND NEW.unfinished = 0 AND NEW.state <> OLD.state
        BEGIN {_COUNT_REPLY}; END""",
    f"""CREATE TRIGGER promise_opened AFTER INSERT ON promises BEGIN {_COUNT_PROMISE.format("'opened'")}; END""",
    f"""CREATE TRIGGER promise_ended AFTER UPDATE OF state ON promises
        WHEN OLD.state = 'open' AND NEW.state <> 'open' BEGIN {_COUNT_PROMISE.format("NEW.state")}; END""",
    # What an older file still knows.
    """INSERT INTO counters SELECT 'messages', mailbox, reason, '', count(*) FROM messages
        WHERE reason IS NOT NULL GROUP BY mailbox, reason""",
    f"""INSERT INTO counters SELECT 'replies', mailbox, reply_kind, {_OUTCOME.format("")}, count(*) FROM effects
        WHERE reply_kind IS NOT NULL AND unfinished = 0 GROUP BY mailbox, reply_kind, {_OUTCOME.format("")}""",  # noqa: S608 - a constant
    """INSERT INTO counters SELECT 'promises', mailbox, 'opened', '', count(*)
        FROM promises JOIN messages ON id = message GROUP BY mailbox""",
    """INSERT INTO counters SELECT 'promises', mailbox, state, '', count(*)
        FROM promises JOIN messages ON id = message WHERE state <> 'open' GROUP BY mailbox, state""",
)

# While anything is kept under a word that stands for a forgotten person's address: what that word is made with.
_FORGETTING = ("CREATE TABLE forgetting (id INTEGER PRIMARY KEY CHECK (id = 1), salt TEXT NOT NULL) STRICT",)

#: The n-th member brings a file of version n to version n + 1; an empty file is version 0.
MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SEEN_REPLIES, _FOLLOWED, (*_COUNTED, *_FORGETTING))
