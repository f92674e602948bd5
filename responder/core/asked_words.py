"""The vocabulary of asked-for times: how a date, an hour, a zone are written in mail, and what a sentence is about.

For ``asked``, which puts them together. Everything is a pattern that reads a text once: no part of one may begin where
another may go on, so that no text can make it slow.
"""

from __future__ import annotations

import re

_I = re.IGNORECASE

# ------------------------------------------------------------------------------------------- sentences

#: What is never a time, and looks like one: links, addresses, phones, money, clauses, versions, sizes.
NO_TIME = re.compile(
    r"https?://\S{1,500}|www\.\S{1,500}|\S{1,64}@\S{1,200}"
    r"|(?<!\w)(?:\+\d|8[ (-]|\(\d{3})[\d ()-]{6,16}\d|(?<!\d)\d{3}[ -]\d{3}[ -]\d{4}(?!\d)|(?<!\d)\d{7,40}(?!\d)"
    r"|[$€£₽] ?\d[\d.,]{0,20}"
    r"|(?<![\d.:])\d[\d.,]{0,20}(?: \d{3}){0,5} ?(?:руб|р\.|₽|\$|€|%|евро|долл|процент|percent|usd|eur|rub|тыс|млн"
    r"|[км]б|[gm]b"
    r"|кг|км|кв|м²|экз|стр|лист|pages?|copies|files?|kg|km)"
    r"|(?:№|(?<!\w)no\.) ?[\w./-]{1,40}"
    r"|(?<!\w)(?:п|пп|ст|ч|пункт\w{0,3}|стать\w{0,3}|част\w{0,3}|clause|section|paragraph|article|page|room|suite"
    r"|version|верси\w{0,2})"
    r"\.? ?\d[\d.]{0,12}"
    r"|(?<![\d.])\d{1,3}\.\d{1,3}\.\d{1,2}(?![\d.])|24/7|(?<!\d)\d{1,4}-\d{4,}",
    _I,
)
# The full stop stands before what may not precede it: so the search can skip to the next mark (three times as quick).
SENTENCE_END = re.compile(
    r"[!?…]+(?=\s|$)|\.(?<!\bp\.m\.)(?<!\ba\.m\.)(?<!\bг\.)(?<!\bул\.)(?<!\bд\.)(?<!\bno\.)(?<!\bNo\.)(?=\s|$)|\n"
)

# ------------------------------------------------------------------------------------------------ atoms

WEEKDAYS = {
    **dict.fromkeys(("понедельник", "monday", "mon", "пн"), "monday"),
    **dict.fromkeys(("вторник", "tuesday", "tue", "вт"), "tuesday"),
    **dict.fromkeys(("сред", "wednesday", "wed", "ср"), "wednesday"),
    **dict.fromkeys(("четверг", "thursday", "thu", "чт"), "thursday"),
    **dict.fromkeys(("пятниц", "friday", "fri", "пт"), "friday"),
    **dict.fromkeys(("суббот", "saturday", "sat", "сб"), "saturday"),
    **dict.fromkeys(("воскресень", "sunday", "sun", "вс"), "sunday"),
}
NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "января january jan", "февраля february feb", "марта march mar", "апреля april apr", "мая may",
            "июня june jun", "июля july jul", "августа august aug", "сентября september sep sept",
            "октября october oct", "ноября november nov", "декабря december dec",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
HOURS = {
    name: number
    for number, names in enumerate(
        (
            "one часа", "two два двух второго", "three три трех третьего", "four четыре четырех четвертого",
            "five пять пяти пятого", "six шесть шести шестого", "seven семь семи седьмого",
            "eight восемь восьми восьмого",
            "nine девять девяти девятого", "ten десять десяти десятого", "eleven одиннадцать одиннадцати одиннадцатого",
            "twelve двенадцать двенадцати двенадцатого",
        ),
        1,
    )
    for name in names.split()
} | {"первого": 1}  # fmt: skip
COUNTS = HOURS | {"an": 1, "a": 1, "one": 1, "один": 1, "одного": 1, "the": 1, "": 1}

_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_HOUR = "|".join(sorted(HOURS.keys() - {"часа"}, key=len, reverse=True))
_COUNT = "|".join(sorted(COUNTS.keys() - {"", "часа"}, key=len, reverse=True))
_HALF = r"(?:am|pm|a\.m\.?|p\.m\.?)"

ATOM = re.compile(
    # the whole of a day, a week, a month
    r"(?<!\w)(?:(?P<end>конц[ауе] (?:этой )?(?:рабочего )?(?P<end_ru>дня|недели|месяца)"
    r"|(?:the )?end of (?:the |this )?(?:business )?(?P<end_en>day|week|month)"
    r"|(?:the )?close of business|eod|cob|eow)"
    r"|(?P<week>этой недел[еи]|this week)"
    # days by a word
    r"|(?P<relative>сегодня(?:шн\w{2,3}(?: дн[юя])?)?|завтра(?:шн\w{2,3}(?: дн[юя])?)?|послезавтра|today|tomorrow"
    r"|(?:the )?day after tomorrow|tonight)"
    r"|(?:(?P<which>эт[уо]т?|ближайш\w{2,3}|следующ\w{2,3}|прошл\w{2,3}|this|coming|next|last) )?"
    r"(?P<weekday>понедельник(?:а|у|ом)?|вторник(?:а|у|ом)?|сред[ауые]|четверг(?:а|у|ом)?|пятниц[ауые]|суббот[ауые]"
    r"|воскресень[еяю]"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day)(?!\w)"
    r"|(?P<short>(?-i:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?=[ ,.]{1,2}(?:at )?\d)|(?:пн|вт|ср|чт|пт|сб|вс)(?!\w))\.?"
    # dates
    rf"|(?P<day>\d{{1,2}})(?:-?(?:го|е|ого|му)|st|nd|rd|th)?(?: of)? (?P<month>{_MONTH})(?!\w)\.?"
    r"(?:,? (?P<year>\d{4})(?: ?г(?:ода|\.)?)?(?![\w:]))?"
    rf"|(?P<month2>{_MONTH})\.? (?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?![\w:.]\w)(?:,? (?P<year2>\d{{4}})(?![\w:]))?"
    r"|(?P<iso>\d{4}-\d\d-\d\d)(?!\w)"
    r"|(?P<slash>\d{1,2}/\d{1,2}(?:/\d{4})?)(?![\w/])"
    r"|(?P<nth>\d{1,2})(?:-?(?:го|е|ое|му)(?: числ[оау])?| числ[оау]|st|nd|rd|th)(?!\w)"
    # hours
    rf"|(?P<hour>\d{{1,2}})(?:[:.](?P<minute>[0-5]\d))? ?(?P<half>{_HALF})(?!\w)"
    r"|(?P<hour2>\d{1,2}):(?P<minute2>[0-5]\d)(?: (?P<half2>утра|дня|вечера))?(?![\w:])"
    r"|(?P<dotted>\d{1,2}\.\d{1,2}(?:\.\d{4}|\.\d\d)?)(?![\w.]\w|\w)(?: (?P<dotted_half>утра|дня|вечера)(?!\w))?"
    r"|(?P<dashed>\d{1,2}-(?:00|15|30|45))(?![\w-])"
    rf"|(?P<hour3>\d{{1,2}}|{_HOUR}) ?(?P<clock>час(?:а|ов|ам)?|ч|o'?clock)(?!\w)\.?(?: (?P<half3>утра|дня"
    rf"|вечера)(?!\w))?"
    rf"|(?P<hour4>\d{{1,2}}|{_HOUR}) (?P<half4>утра|дня|вечера)(?!\w)"
    rf"|(?:половин[еыу] |half past )(?P<past>{_HOUR})(?!\w)"
    r"|(?P<noon>полдень|полудн[яюе]|noon|midday)(?!\w)"
    r"|(?P<part>утром|утр[уао]|дн[её]м|вечером|вечер[ау]?|после обеда|до обеда|(?:первой|первую|второй"
    r"|вторую) половин[еуы] дня"
    r"|(?:in the )?(?:morning|afternoon|evening)|(?:after|before) lunch)(?!\w)"
    # lengths
    rf"|(?P<ahead>через|в течение|в ближайши[ей]|in|within) (?:the )?(?:next )?(?:(?P<many>\d{{1,2}}|{_COUNT}) )?"
    r"(?P<unit>получаса|полчаса|half an hour|hours?|minutes?|час(?:а|ов)?|минут[ыу]?|мин|days?|дн(?:я|ей)|день"
    r"|сут(?:ки|ок))(?!\w)"
    r"(?! (?:of|from|after|с момента|с даты|со дня|после))"
    # an hour by its number alone: only beside a date
    rf"|(?P<bare>\d{{1,2}}|{_HOUR})(?![\w:./-]\w|\w| (?:экз|стр|лист|файл|вопрос|минут|дн|раз|рабоч|пункт|page|cop"
    rf"|question|minut|day|work|time|file)))",
    _I,
)

#: What may stand between two atoms of one time.
_LINK = (
    r"в|во|на|к|ко|до|с|со|от|по|между|и|после|около|примерно|ровно|часов в|не позднее|не позже|at|on|by|before|from"
    r"|to|till"
    r"|between|and"
    r"|after|around|about|for|in the|the|of|no later than|not later than|-|–|—"
)
GAP = re.compile(rf"[ ,(]*(?:(?:{_LINK})(?=[ ,]|\d|$)[ ,]*){{0,3}}[ ,)]*", _I)
#: What belongs to the words before the first atom.
LEAD = re.compile(
    r"(?<!\w)(?:не позднее|не позже|no later than|not later than|до|к|ко|в|во|на|с|со|от|после|между|около|by|before"
    r"|until|till|on|at"
    r"|for|from|since|between|after|around|the)(?: (?:the|the morning of|the end of))? ?$",
    _I,
)
#: What may follow the last atom and belongs to it.
INCLUSIVE = re.compile(r",? ?(?:включительно|ровно|inclusive|sharp)(?!\w)", _I)
#: What goes on where the last atom ends: an hour that was not understood, another day.
GOES_ON = re.compile(
    r"[ ,(]{0,3}(?:(?:в|к|до|на|at|by|around|about|около)(?= ) ?)?(?:\d|¤|(?:a )?quarter|четверт|без четверти"
    r"|[-–—] ?\d)",
    _I,
)
OTHERWISE = re.compile(r"[ ,(]{0,2}(?:or|или|либо|/)(?!\w)", _I)
BY = re.compile(r"(?<!\w)(?:до|к|ко|не позднее|не позже|by|before|no later than|not later than)(?!\w)", _I)
UNTIL = re.compile(r"(?<!\w)(?:с|со|от|from|since|until|till)(?!\w)", _I)
AFTER = re.compile(r"(?<!\w)(?:после|after)(?!\w)", _I)
BETWEEN = re.compile(r"(?<!\w)(?:до|по|и|to|till|until|and)(?!\w)|[-–—]", _I)
OPENING = re.compile(r"(?<!\w)(?:с|со|от|между|from|between)(?!\w)", _I)
AT = re.compile(r"(?<!\w)(?:в|во|к|ко|до|с|на|после|между|и|at|by|before|after|from|to|between|and)(?:[ ]?)$|, ?$", _I)

# ------------------------------------------------------------------------------------------------ zones

MINE, YOURS, UNSURE = "mine", "yours", "?"
ZONES = {
    **dict.fromkeys(("est", "edt", "et"), "America/New_York"),
    **dict.fromkeys(("cst", "cdt", "ct"), "America/Chicago"),
    **dict.fromkeys(("mst", "mdt"), "America/Denver"),
    **dict.fromkeys(("pst", "pdt", "pt"), "America/Los_Angeles"),
    **dict.fromkeys(("bst",), "Europe/London"),
    **dict.fromkeys(("cet", "cest", "mez", "mesz"), "Europe/Berlin"),
    **dict.fromkeys(("eet", "eest"), "Europe/Athens"),
    **dict.fromkeys(("msk", "мск"), "Europe/Moscow"),
    **dict.fromkeys(("gmt", "utc"), "UTC"),
}
#: The offset that a name stands for, in minutes; another one on that date makes it unsure what was meant.
OFFSETS = {
    "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "bst": 60,
    "cet": 60, "cest": 120, "mez": 60, "mesz": 120, "eet": 120, "eest": 180, "msk": 180, "мск": 180,
}  # fmt: skip
ZONE = re.compile(
    rf"[ ,(]{{0,2}}(?:(?P<offset>(?:utc|gmt) ?[+−-] ?\d{{1,2}}(?::?[0-5]\d)?)|(?P<name>{'|'.join(ZONES)})(?!\w)"
    r"|(?P<moscow>(?:по )?(?:москве|московскому(?: времени)?)|moscow(?: time)?)(?!\w)"
    r"|(?P<mine>по (?:моему|нашему)(?: времени)?|(?:my|our) time(?: ?zone)?)(?!\w)"
    r"|(?P<yours>по (?:вашему|твоему)(?: времени)?|your time(?: ?zone)?)(?!\w)"
    r"|(?P<other>по (?:[\w-]{3,30} времени|(?-i:[А-Я])[\w-]{2,30})|(?-i:[A-Z])\w{2,20} time(?!\w)"
    r"|(?-i:[A-Z]{2,4}T)(?!\w)|local time))\)?",
    _I,
)

# ------------------------------------------------------------------------------------------------- cues

#: No time is written without one of these; on lower-case text. It is the quickest test, and most sentences fail it.
HINT = re.compile(
    r"\d|сегодн|завтр|понедел|вторник|сред[ауые]|четверг|пятниц|суббот|воскрес|недел|месяц|дня\b|дню\b|час|минут|сут"
    r"|полдень|полудн"
    r"|утр|вечер|днем|обед|\b(?:пн|вт|ср|чт|пт|сб|вс)\b|days?\b|tomorrow|tonight|morning|afternoon|evening|noon|lunch"
    r"|week|month"
    r"|hour|minute|business|eod|eow|cob\b|o'?clock|half past"
)

#: What stands in whatever ``HINT`` finds: looked for in a whole letter, where that takes a fifth of the time.
_STEMS = (
    *("сегодн", "завтр", "понедел", "вторник", "среда", "среду", "среды", "среде", "четверг", "пятниц", "суббот"),
    *("воскрес", "недел", "месяц", "дня", "дню", "час", "минут", "сут", "полдень", "полудн", "утр", "вечер", "днем"),
    *("обед", "day", "tomorrow", "tonight", "morning", "afternoon", "evening", "noon", "lunch", "week", "month"),
    *("hour", "minute", "business", "eod", "eow", "cob", "clock", "half past"),
)
_DIGIT = re.compile(r"\d")
#: Each way begins with a letter, so that the search skips to it; what stands before is looked at last.
_SHORT_DAY = re.compile(r"(?:пн|вт|ср|чт|пт|сб|вс)(?<!\w..)(?!\w)")


def may_name_time(text: str) -> bool:
    """Tell of a lower-case text whether ``HINT`` could find anything in it; never "no" where it would."""
    return (
        _DIGIT.search(text) is not None or any(stem in text for stem in _STEMS) or _SHORT_DAY.search(text) is not None
    )


#: The sentence is about talking or meeting.
CALL = re.compile(
    r"(?<!\w)(?:созвон|созвани|позвон|перезвон|звонк|звонок|звонить|звоните|набер|набрать|встре[чт]|увид|обсуд"
    r"|поговор|переговор"
    r"|говорить|пообщ|консультаци|свободн|свободен|удобно|подойд[её]т|устроит|уделить|выйти на связь|связаться|зум"
    r"|телемост"
    r"|calls?\b|talk\b|speak\b|meet\b|meeting|ring\b|phone\b|zoom|teams\b|chat\b|catch up|discuss\b|available|free\b"
    r"|suits?\b"
    r"|work for|consultation|appointment|conversation|see each other|spare me|have time)|(?:есть ли"
    r"|найд[её]тся) .{0,20}время|you(?:'re| are) free",
    _I,
)
#: Something is asked for, or waited for.
WANT = re.compile(
    r"(?<!\w)(?:нуж[енн]|надо|необходим|будет ли|признател|благодарн|прошу|просим|просьба|пожалуйста|пришлите"
    r"|вышлите|отправьте|направьте|скиньте"
    r"|ответьте"
    r"|дайте|жду|жд[её]м|треб|ожида|хотелось|хотел|надеюсь|надеемся|сможете|успеете|могли бы|можете|подготовьте"
    r"|ответ(?:а|у|ом)?(?!\w)"
    r"|посмотрите|проверьте|сделайте|согласуйте|сообщите|срочно|перезвоните|позвоните|наберите"
    r"|need|please|kindly|grateful|will (?:it|this|the \w{1,20}) be|requir|could you|can you|would you|will you"
    r"|send\b|reply|answer|let (?:me|us)|expect"
    r"|appreciate|must\b"
    r"|want\b|would like|hope\b|hoping|waiting|await|get back to (?:me|us)|asap|urgent|ask you|(?:can|may"
    r"|could) (?:i|we) have|important"
    r"|would be (?:great|good|nice|helpful)|any chance|можно (?:ли )?получить|call me|ring me)",
    _I,
)
#: Something is needed on a day, though no "by" says so.
NEED = re.compile(r"(?<!\w)(?:нуж[енн]|надо|необходим|жду|жд[её]м|требуется|need|must have|waiting|expect)", _I)
DEADLINE = re.compile(
    r"(?<!\w)(?:дедлайн|крайний срок|срок ответа|последний срок|последний день|не позже|не позднее|deadline"
    r"|final date|last date|due date"
    r"|at the latest|latest\b)",
    _I,
)
#: It has been, it is not to be, it is somebody else's, or the writer's own affair: then nothing is asked of the reader.
NOT_ASKED = re.compile(
    r"(?<!\w)(?:вчера|позавчера|прошл|кажд|ежедневн|еженедельн|не (?:смог(?!ли бы)|сможем|мог(?!ли бы)|получит|звони"
    r"|буд(?!ет ли)|надо|нужн|удобн)"
    r"|неудобн|звонил|созванивал|созвонил|встречал|встретил|обсуждал|обсудил|говорил|обещал|договорил|нуж(?:но|ен"
    r"|на) ли|надо ли|ждал|ответил|подписал|оплатил"
    r"|состо(?:ится|ял)|назначен|перен[её]с|истека|заканчива|действ(?:ует|ия|ител)|неявк|напом(?:ин|н)|отпуск"
    r"|встреча(?:емся|юсь) с |прибыва|прилета|решени\w{1,3} суда|спасибо за|до встречи|до свидан|уезжа"
    r"|у (?:меня|нас) (?:\w{1,12} )?(?:встреч|звон|созвон|суд|планерк|совещ|заседан)"
    r"|с (?:ними|ним|ней|банк|партн[её]р|клиент|контрагент|судь))"
    r"|(?<!\w)(?:назад|уже|в силу|стороны|они|он|она|работа(?:ю|ем|ет)|был[аои]?(?! бы\b)|прошел|прошла|прошло"
    r"|yesterday|last (?:week|month|year|time|mon\w*|tue\w*|wed\w*|thu\w*|fri\w*|sat\w*|sun\w*)|ago|already|every|each"
    r"|can(?:'t|not| not)|won't|don't|do not|didn't|do (?:i|we) (?:need|have)|should (?:i|we)|unable|unavailable"
    r"|not (?:available|free|work)|spoke|talked|met|called|we signed|i signed"
    r"|(?:was|were)(?! (?:wondering|hoping))|discussed|promised|they|he|she|said|paid|away|expires?|valid|ends|parties"
    r"|takes? place|scheduled|closed|moved|remind\w*|(?:thanks?|thank you) for|see you|no need|arriv\w{1,4}|court's"
    r"|(?:meeting|call) is"
    r"|(?:is|are) due|meet(?:ing)? (?:the|our|my|him|her|them|a)|with (?:them|him|her|the|our|my|a))(?!\w)",
    _I,
)
#: The writer's own event: "we have a call", not "could we have a call".
OWN_EVENT = re.compile(
    r"(?<!could )(?<!can )(?<!shall )(?<!may )(?<!should )\b(?:i|we) have (?:a|an|another|our|my) \w", _I
)
#: What the writer will do.
OWN_PROMISE = re.compile(
    r"(?<!\w)(?:пришлю|отправлю|вышлю|сделаю|подготовлю|отвечу|оплачу|заплачу|вернусь|буду(?! (?:рад|благодар"
    r"|признател|ждать))"
    r"|пришл[её]м|отправим|вышлем|сделаем|подготовим|оплатим|свяжусь|дам"
    r"|(?:i|we)(?:'ll| will| shall)(?! (?:need|require|be glad|be happy|appreciate|want)))(?!\w)",
    _I,
)
#: A condition that is not mere politeness.
CONDITION = re.compile(
    r"(?<!\w)(?:если(?! (?:можно|это|не затруднит|возможно|удобно|вам|вас|получится|успеете|не трудно|не сложно"
    r"|есть))|(?:в )?случае"
    r"|if(?! (?:possible|you|that|it(?:'s| is)? (?:suits|convenient|ok|possible|not)|at all))|unless)(?!\w)",
    _I,
)
