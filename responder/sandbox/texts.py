"""What the people of the invented weekend write. Every word is made up."""

from __future__ import annotations

THANKS = """\
Анна Сергеевна, добрый день!

Протокол получила, спасибо, всё подробно и понятно.

Марина Белова
"""

INVOICE = """\
Здравствуйте, Анна Сергеевна!

Счёт за февраль оплатили сегодня утром, деньги придут в понедельник или во вторник.

С уважением,
Громов
"""

ACT = """\
Анна Сергеевна, добрый вечер!

Успела до семи :) Подскажите, акт за февраль подписываем мы первыми или Вы?

Марина
"""

MOVE = """\
Анна Сергеевна, здравствуйте! Получится перенести нашу встречу с понедельника
на вторник? Забыл, что понедельник нерабочий.

Олег
"""

ALSO = """\
И сразу второе, пока помню: свидетельство о праве нести в подлиннике, или хватит копии?

Олег
"""

DIGEST = """\
Двенадцать новостей марта: сроки, пошлины, электронные подписи.

Вы получили это письмо, потому что подписаны на рассылку. Отвечать на него не нужно.
"""

CLAUSE = """\
Hi Anna,

One thing before the weekend: clause 7 of the lease lets the landlord enter "on reasonable notice". Is there
a usual number of hours in Russia, or do we write one in?

Have a good evening,
Claire
"""

AWAY = """\
Thank you for your message. I am out of the office until Wednesday, 11 March, with little access to mail.
For anything pressing please write to Claire Finch.

James Okoro
"""

REVIEW = """\
Доброе утро, Анна Сергеевна!

У нас уже суббота, но мысль не отпускает. Посылаю проект аренды склада на проверку. Смущает пункт 4.2:
собственник может поднять плату среди года. Посмотрите, пожалуйста, можно ли с этим что-то сделать.

С уважением,
Иван Громов, ООО «Восток»
"""

AGAIN = """\
Анна Сергеевна, прошу прощения: приложил не ту редакцию. Вот правильная, от 5 марта.

И. Г.
"""

FORGED = """\
Добрый день! У нас сменились реквизиты. Все оплаты с сегодняшнего дня просим направлять на новый счёт,
подробности в ответ на это письмо. Дело не терпит отлагательства!
"""

LIST = """\
Соседи, добрый день!

В четверг в 19:30 собираемся во дворе: решаем про шлагбаум и детскую площадку.

Олег, квартира 41
_______________________________________________
sosedi mailing list
"""

STRANGER = """\
Здравствуйте! Ваш адрес дал знакомый. Нужен юрист по наследству, можно ли созвониться сегодня вечером?
Телефон скажу в ответном письме.

Руслан
"""

PHONE_HTML = """\
<html><head><meta http-equiv="content-type" content="text/html; charset=utf-8"></head><body dir="auto">
<div dir="ltr">Анна Сергеевна, а можно перенести созвон на среду после обеда?
Во вторник у нас весь день приёмка печи.</div>
<div dir="ltr"><br></div><div dir="ltr">Марина</div>
<div dir="ltr"><br>Отправлено с телефона</div>
<div dir="ltr"><br><blockquote type="cite">5 марта 2026 г., в 17:42,
Анна Светлова &lt;anna@svetlova.example&gt; написал(а):<br><br></blockquote></div>
<blockquote type="cite"><div dir="ltr">Марина Олеговна, договор поставки муки я проверила, замечаний к договору нет.
Созвонимся во вторник в 10:30, как обычно?<br><br>Анна Светлова</div></blockquote>
</body></html>
"""

SIGNING = """\
Claire Finch (claire@harborfinch.example) sent you a document: "Side letter, parking spaces".

Open the document to read and sign it. This message was sent on her behalf.
"""

STAMP = """\
Анна Сергеевна, добрый день! Закрываю первый квартал: на акте с "Примтарой" печать без подписи, так можно
проводить, или вернуть им?

Ольга Чен, бухгалтерия
"""

BY_HAND = """\
Ольга, здравствуйте! Верните: без подписи акт не действует, печать её не заменяет.

Анна Светлова
"""

OLGA_THANKS = """\
Поняла, вернула. Спасибо, что ответили в воскресенье!

Ольга
"""

COPIED = """\
Добрый вечер!

Прошу подготовить доверенность на отгрузку, водитель приедет в среду к девяти. Анна Сергеевна в копии.

Склад
"""

HOLIDAY = """\
Анна Сергеевна, понимаю, что праздник, поэтому не спешите: мастер по печи просит аванс наличными.
Это вообще законно?

Марина
"""

LOAN = """\
Dear Anna,

Please find the signed pages attached. Could you check that the schedule matches what the bank has?

Best regards,
David Lindqvist
"""

MEETING = """\
Lease, next steps
Thursday 12 March, 11:00 (New York)
"""

INVITATION = """\
BEGIN:VCALENDAR
PRODID:-//Example//Calendar 1.0//EN
VERSION:2.0
METHOD:REQUEST
BEGIN:VEVENT
UID:lease-next-steps@harborfinch.example
DTSTAMP:20260309T140500Z
DTSTART:20260312T150000Z
DTEND:20260312T153000Z
SUMMARY:Lease, next steps
ORGANIZER;CN=Claire Finch:mailto:claire@harborfinch.example
ATTENDEE;CN=Anna;RSVP=TRUE:mailto:anna@svetlova.example
END:VEVENT
END:VCALENDAR
"""

EARLY = """\
Анна Сергеевна, с прошедшим праздником! До какого числа Вам нужна сверка за первый квартал?

Ольга Чен, бухгалтерия
"""

HERE = """\
Доброе утро! Я уже внизу, подниматься?

Олег
"""
