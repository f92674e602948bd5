"""The mail of the benchmark: half from clients who are due a reply, the rest lists, machines and strangers."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Forty firms; each mail of a client comes from an address of its own, so that each is due a reply.
FIRMS = 40
OWNER = "anna@example.com"

_WORDS = (
    "Добрый день! Посылаю исправленный проект и жду Вашего мнения о третьем разделе. "
    "Please look at the attached draft when you can, there is no hurry with the annex. "
)


def mails(count: int, at: datetime) -> Iterator[bytes]:
    """Yield so many messages as a server stores them, CRLF, sizes lognormal with a median of about 8 KB.

    Every second one is a client's with an address of its own; 15 % are list mail, 10 % automatic, 25 % strangers'.
    """
    chance = random.Random(count)  # noqa: S311 - the same mail in every run
    for number in range(count):
        kind = chance.random()
        sent_at = at - timedelta(seconds=count - number)
        size = min(int(chance.lognormvariate(9.0, 0.55)), 200_000)
        if number % 2 == 0:
            sender, extra = f"person{number}@firm{number // 2 % FIRMS}.example", ""
        elif kind < 0.30:
            sender, extra = f"list{number % 7}@lists.example", "List-Id: <news.lists.example>\r\nPrecedence: list\r\n"
        elif kind < 0.50:
            sender, extra = f"robot{number % 11}@shop.example", "Auto-Submitted: auto-generated\r\n"
        else:
            sender, extra = f"someone{number}@nowhere{number % 97}.example", ""
        yield _message(number, sender, extra, sent_at, size, multipart=chance.random() < 0.5)


def _message(number: int, sender: str, extra: str, sent_at: datetime, size: int, *, multipart: bool) -> bytes:
    domain = sender.rpartition("@")[2]
    head = (
        f"Return-Path: <{sender}>\r\n"
        f"Received: from mx.{domain} (mx.{domain} [192.0.2.7]) by mx.example.com with ESMTPS id {number:08x}\r\n"
        f" for <{OWNER}>; {format_datetime(sent_at)}\r\n"
        f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=mail; h=from:to:subject:date;\r\n"
        f" bh={'A' * 43}=; b={'B' * 170}\r\n"
        f"From: Person {number} <{sender}>\r\n"
        f"To: Anna <{OWNER}>\r\n"
        f"Subject: =?utf-8?B?0JLQvtC/0YDQvtGBINC/0L4g0LTQtdC70YM=?= {number}\r\n"
        f"Date: {format_datetime(sent_at)}\r\n"
        f"Message-ID: <{number}.{size}@{domain}>\r\n"
        f"MIME-Version: 1.0\r\nX-Mailer: Bench 1.0\r\n{extra}"
    )
    text = (_WORDS * (size // len(_WORDS.encode()) + 1)).replace(". ", ".\r\n")
    if multipart:
        boundary = f"=_{number:08x}"
        body = (
            f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'
            f"--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            f"{text[: len(text) // 2]}\r\n--{boundary}\r\nContent-Type: text/html; charset=utf-8\r\n"
            f"Content-Transfer-Encoding: 8bit\r\n\r\n<p>{text[: len(text) // 2]}</p>\r\n--{boundary}--\r\n"
        )
    else:
        body = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
    return (head + body).encode()
