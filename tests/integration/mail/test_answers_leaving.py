"""An answer returns somebody else's mail: nothing in it may speak to the operator's server in our name."""

import asyncio

from connectors.mssante.connector import MssanteConnector
from connectors.mssante.settings import MssanteSettings
from pfi.engine.connector import OutboundMail
from pfi.model.delivery import OutcomeKind
from tests.integration.mail.hospitals import Post, account
from tests.integration.mail.test_postfix import NOW

SMUGGLED = b"\n.\nMAIL FROM:<{a}>\nRCPT TO:<{b}>\nDATA\nSubject: glisse\n\nbonjour\r.\r\r\n.\n"


async def test_lone_line_ends_end_no_mail_and_begin_none(post: Post) -> None:
    connector = MssanteConnector(MssanteSettings.model_validate(account(post, post.b)), NOW)
    await connector.open()
    head = (
        f"From: {post.b}\r\nTo: {post.a}\r\nSubject: XDM/1.0/DDM+Essai\r\nMessage-ID: <r@essai>\r\nX-MSS-NIL: NIL\r\n"
        "Date: Thu, 05 Mar 2026 09:12:30 +0100\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain\r\n\r\nVoici le courriel :\r\n.un point\r\n"
    ).encode()
    content = head + SMUGGLED + b"fin\r\n"
    try:
        outcome = await connector.send_mail(OutboundMail(post.b, post.a, content))
        assert outcome.kind is OutcomeKind.DELIVERED, outcome
        async with asyncio.timeout(30):
            while not post.mails(post.a):
                await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        (mail,) = post.mails(post.a)
    finally:
        await connector.close()
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    assert mail.endswith(lines)
