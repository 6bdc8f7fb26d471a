"""A reader of our mails that shares nothing with what writes them: the standard library under its strict policy.

Archives are read by `tests.unit.mssante.xdm`.
"""

import re
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser
from urllib.parse import unquote


def read_mail(content: bytes) -> EmailMessage:
    """Parses a mail, every defect an error, and checks its lines."""
    lines = content.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 998
    assert not any(line.startswith(b".") for line in lines)
    assert content.isascii()
    mail = BytesParser(policy=policy.SMTP.clone(raise_on_defect=True)).parsebytes(content)
    assert isinstance(mail, EmailMessage)
    assert not any(part.defects for part in mail.walk())
    return mail


def attachments(mail: EmailMessage) -> dict[str, bytes]:
    """Attachments by file name as a mail reader shows it (RFC 2231 form first)."""
    found = {}
    for part in mail.iter_attachments():
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        found[file_name(part)] = payload
    return found


def file_name(part: Message) -> str:
    """`filename*` wins over `filename` (RFC 6266 §4.3); the standard library takes whichever comes first."""
    raw = next(str(value) for name, value in part.raw_items() if name == "Content-Disposition")
    extended = re.search(r"filename\*=UTF-8''([^;\s]+)", raw)
    return unquote(extended[1], errors="strict") if extended else part.get_filename() or ""
