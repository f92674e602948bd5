"""Domains at which anybody may have an address: none of them can stand for a client as a whole."""

FREE_MAIL = frozenset(
    """
    gmail.com googlemail.com outlook.com hotmail.com live.com msn.com passport.com windowslive.com outlook.de
    outlook.fr outlook.es outlook.it outlook.jp outlook.com.br hotmail.co.uk hotmail.fr hotmail.de hotmail.it
    hotmail.es hotmail.ca hotmail.com.br hotmail.co.jp live.co.uk live.de live.fr live.nl live.it live.ca
    live.ru live.com.au yahoo.com yahoo.co.uk yahoo.de yahoo.fr yahoo.es yahoo.it yahoo.ca yahoo.co.in yahoo.in
    yahoo.co.jp yahoo.com.br yahoo.com.au yahoo.com.ar yahoo.com.mx yahoo.com.sg yahoo.com.tr yahoo.co.id
    yahoo.com.ph yahoo.com.vn yahoo.gr yahoo.pl yahoo.ro ymail.com rocketmail.com myyahoo.com aol.com aol.de
    aol.co.uk aim.com love.com icloud.com me.com mac.com proton.me protonmail.com protonmail.ch pm.me
    tutanota.com tutanota.de tutamail.com tuta.com tuta.io keemail.me fastmail.com fastmail.fm hushmail.com
    zoho.com zohomail.com zohomail.eu mail.com email.com usa.com post.com consultant.com europe.com gmx.com
    gmx.net gmx.de gmx.at gmx.ch gmx.us gmx.co.uk gmx.fr web.de t-online.de freenet.de arcor.de online.de
    email.de posteo.de posteo.net mailbox.org vodafone.de vodafonemail.de kabelmail.de o2online.de o2mail.de
    unitybox.de netcologne.de bluewin.ch hispeed.ch sunrise.ch chello.at aon.at utanet.at mail.ru bk.ru list.ru
    inbox.ru internet.ru xmail.ru vk.com yandex.ru yandex.com yandex.by yandex.kz yandex.ua yandex.uz
    yandex.com.tr ya.ru narod.ru rambler.ru lenta.ru autorambler.ru myrambler.ru ro.ru rambler.ua hotbox.ru
    pochta.ru qip.ru sibmail.com ngs.ru nm.ru km.ru e1.ru mail.ua ukr.net i.ua bigmir.net meta.ua online.ua
    email.ua tut.by mail.kz inbox.lv inbox.lt inbox.eu mail.ee one.lv wp.pl o2.pl onet.pl onet.eu op.pl
    interia.pl interia.eu poczta.onet.pl poczta.fm tlen.pl gazeta.pl seznam.cz email.cz post.cz centrum.cz
    atlas.cz volny.cz azet.sk zoznam.sk centrum.sk freemail.hu citromail.hu abv.bg mail.bg dir.bg orange.fr
    wanadoo.fr free.fr laposte.net sfr.fr neuf.fr bbox.fr numericable.fr libero.it virgilio.it tiscali.it
    alice.it tin.it tim.it email.it inwind.it iol.it fastwebnet.it telenet.be skynet.be proximus.be ziggo.nl
    kpnmail.nl planet.nl hetnet.nl xs4all.nl home.nl sapo.pt telefonica.net terra.es btinternet.com
    btopenworld.com sky.com virginmedia.com talktalk.net ntlworld.com blueyonder.co.uk eircom.net telia.com
    online.no broadpark.no comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net
    earthlink.net optonline.net juno.com netzero.net frontier.com windstream.net rogers.com shaw.ca sympatico.ca
    bell.net videotron.ca telus.net uol.com.br bol.com.br terra.com.br ig.com.br globo.com r7.com prodigy.net.mx
    qq.com foxmail.com 163.com 126.com yeah.net sina.com sina.cn sohu.com aliyun.com 139.com 189.cn 21cn.com
    naver.com hanmail.net daum.net nate.com kakao.com docomo.ne.jp ezweb.ne.jp softbank.ne.jp nifty.com
    rediffmail.com bigpond.com optusnet.com.au iinet.net.au xtra.co.nz walla.co.il walla.com netvision.net.il
    duck.com mozmail.com simplelogin.com
    """.split()  # noqa: SIM905 - one domain a line would be three hundred lines
)
