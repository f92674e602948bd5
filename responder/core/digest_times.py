"""How the digest says a time, from where the owner stands in the morning: today, tomorrow, on Tuesday.

For ``digest_words`` and ``digest_held``. The owner's clock comes first; the client's follows where they differ.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from responder.core.words import clock_span, languages, lexicon, say_date

if TYPE_CHECKING:
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from responder.core.model import Owner, Window
    from responder.core.words import Lexicon

#: Nearer than this a weekday names the day.
_WEEK = 7


def words_of(owner: Owner) -> Lexicon:
    """Return the words of the owner's language; English where it is not built in."""
    return lexicon(owner.language if owner.language in languages() else "en")


def legend(owner: Owner, *, day: str, call: str, night: str) -> str:
    """Say what the marks of the day's picture mean."""
    return words_of(owner).tell("legend", day=day, call=call, night=night)


def nothing(owner: Owner) -> str:
    """Say that nothing waits for the owner."""
    return words_of(owner).digest["nothing"]


class Teller:
    """Says times on one date of the owner's."""

    def __init__(self, owner: Owner, on: date) -> None:
        self.words = words_of(owner)
        self.zone = owner.zone
        self.on = on

    def window(self, window: Window) -> str:
        """Say a window: "Today, 10:00–11:00"."""
        opens, closes = window.opens_at.astimezone(self.zone), window.closes_at.astimezone(self.zone)
        phrase = {self.on: "heading_today", self.on + timedelta(days=1): "heading_tomorrow"}
        heading = phrase.get(opens.date(), "heading_on")
        said = self.words.tell(heading, span=clock_span(opens, closes), **self.dated(opens.date()))
        return said[:1].upper() + said[1:]

    def at(self, at: datetime) -> str:
        """Say when: "yesterday at 20:00"."""
        return self._near("at", at)

    def by(self, at: datetime, there: ZoneInfo) -> str:
        """Say until when, by both clocks where they differ: "by 19:00 today (02:00 there, Tuesday)"."""
        here = self._near("by", at)
        if self.same_clock(at, there):
            return here
        theirs = at.astimezone(there)
        phrase = "there" if theirs.date() == at.astimezone(self.zone).date() else "there_day"
        said = self.words.tell(phrase, time=f"{theirs:%H:%M}", **self.dated(theirs.date()))
        return self.words.tell("both", here=here, there=said)

    def span(self, starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> str:
        """Say a stretch by the clock of a zone: "10:00–11:00"."""
        return clock_span(starts_at.astimezone(zone), ends_at.astimezone(zone))

    def same_clock(self, at: datetime, there: ZoneInfo) -> bool:
        """Tell whether both clocks show the same at that instant."""
        return at.astimezone(there).utcoffset() == at.astimezone(self.zone).utcoffset()

    def day(self, on: date) -> str:
        """Say a date, with its year where it is another."""
        return say_date(self.words.language, on, self.on.year)

    def dated(self, on: date) -> dict[str, str]:
        """Return what a phrase may say of a date."""
        forms = self.words.weekdays
        day = on.weekday()
        return {
            "date": self.day(on),
            "weekday": forms["nominative"][day],
            "of": forms["genitive"][day],
            "on": forms["on"][day],
        }

    def _near(self, phrase: str, at: datetime) -> str:
        local = at.astimezone(self.zone)
        away = (local.date() - self.on).days
        ending = {0: "today", 1: "tomorrow", -1: "yesterday"}.get(away, "week" if abs(away) < _WEEK else "on")
        if f"{phrase}_{ending}" not in self.words.digest:
            ending = "week"  # what is due is never due yesterday: that is said otherwise
        return self.words.tell(f"{phrase}_{ending}", time=f"{local:%H:%M}", **self.dated(local.date()))
