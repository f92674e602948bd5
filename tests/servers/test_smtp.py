"""The SMTP server for tests, in its two other shapes: in a thread, and as a process."""

from __future__ import annotations

import smtplib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.smtp import Features, ThreadedSmtpSink, reply


def test_in_a_thread_it_serves_a_plain_client() -> None:
    """A client without an event loop logs in and delivers to two recipients; a scripted answer reaches it."""
    features = Features(user="anna", password="secret")
    with ThreadedSmtpSink(features=features, script={"DOT": [None, reply("552 5.3.4 too big")]}) as sink:
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
            client.login("anna", "secret")
            text = b"Subject: x\r\n\r\n.dot\r\n"
            client.sendmail("anna@example.com", ["a@vostok.example", "b@vostok.example"], text)
            with pytest.raises(smtplib.SMTPDataError, match="too big"):
                client.sendmail("anna@example.com", ["c@vostok.example"], text)
        assert [mail.recipient for mail in sink.mails] == ["a@vostok.example", "b@vostok.example"]
        assert {mail.data for mail in sink.mails} == {text}


def test_as_a_process_it_counts() -> None:
    """It prints its port, and, when its input ends, how many mails it took."""
    command = [sys.executable, "-m", "tests.servers.smtp", "--port", "0", "--count"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with smtplib.SMTP("127.0.0.1", int(process.stdout.readline()), timeout=10) as client:
            for _ in range(3):
                client.sendmail("anna@example.com", ["a@vostok.example"], b"Subject: x\r\n\r\n")
        process.stdin.close()
        assert process.stdout.read() == "3\n"
