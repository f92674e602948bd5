"""The coverage-guided fuzzer: ``python -m tests.faults.fuzz_message FOLDER SECONDS``, where atheris is installed.

Follows the branches of every room that reads mail, starting from the golden letters, and holds each input against
the promises of ``readings``. An input that breaks one is written to ``FOLDER/crash-…``: add it to ``tests/core/corpus``
with the regression test.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["responder"], enable_loader_override=False):
    from responder.adapters import imap_answers, imap_structure
    from responder.core import (
        address,
        authres,
        automatic,
        bounce,
        facts,
        header,
        mime,
        subject,
        text,
        topics,
    )

from tests.faults.pieces import UNITS, octets
from tests.faults.readings import check_message, check_server_line, check_whole

CORPUS = Path(__file__).parents[1] / "core" / "corpus"
READ = (imap_answers, imap_structure, address, authres, automatic, bounce, facts, header, mime, subject, text, topics)


def one_input(data: bytes) -> None:
    """Read one input as a header with a body, as a whole message and as a server's line."""
    head, _, beginning = data.partition(b"\r\n\r\n")
    check_message(head + b"\r\n\r\n", beginning[:4_000])
    check_whole(data)
    check_server_line(data[:4_000])


def main() -> None:
    """Run for so many seconds; ends with a status that is not 0 at the first broken promise."""
    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    words = folder / "words"
    entries = ("".join(f"\\x{octet:02x}" for octet in octets(unit)) for unit in UNITS)
    words.write_text("".join(f'"{entry}"\n' for entry in entries), encoding="ascii")
    found = folder / "found"
    found.mkdir(exist_ok=True)
    options = [
        f"-max_total_time={limit}",
        f"-dict={words}",
        f"-artifact_prefix={folder}/",
        "-max_len=8192",
        "-timeout=20",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
    ]
    print(f"following {len(READ)} rooms", flush=True)
    atheris.Setup([sys.argv[0], *options, str(found), str(CORPUS)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
