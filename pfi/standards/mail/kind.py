"""What a received mail is, before anything is done with it (MSSanté digest §9)."""

import re
from enum import StrEnum
from typing import Final

from pfi.standards.mail.bounces import is_bounce
from pfi.standards.mail.dsn import is_dsn
from pfi.standards.mail.inbound import InboundMail, as_mail
from pfi.standards.mail.mdn import is_mdn

# Brackets before the prefix are a habit of some senders ("[Annule et remplace]", MSSanté digest §5.3).
_XDM_SUBJECT: Final = re.compile(r"\s*(?:\[[^\]]{0,100}\]\s*)*XDM/1\.0/DDM", re.IGNORECASE)
_KO_SUBJECT: Final = re.compile(
    r"\s*\[\s*(?:ko\s+int[ée]gration|erreur\s+d['’]int[ée]gration)[^\]]{0,40}\]\s*(?:\[[^\]]{0,20}\]\s*)*XDM/1\.0/DDM",
    re.IGNORECASE,
)


class MailKind(StrEnum):
    """The kinds of received mails, each with its reader."""

    DSN = "dsn"
    """A delivery notification with its fields: `dsn.read_dsn`."""
    MDN = "mdn"
    """A disposition notification: `mdn.read_mdn`."""
    BOUNCE = "bounce"
    """A notice of a mail system in prose: `dsn.read_dsn`."""
    ERROR_MAIL = "error_mail"
    """The standard mail that tells an integration error (MSSanté digest §8.5): `error_mail.read_error_mail`. It
    carries the refused document again, which must not be filed."""
    DOCUMENT = "document"
    """An IHE_XDM archive, or the subject that announces one."""
    OTHER = "other"
    """Anything else: a person reads it."""


def classify(mail: bytes | InboundMail) -> MailKind:
    """The kind of a mail, for any bytes. A notification stays one whatever it returns; a mail returned or forwarded as
    `message/rfc822` says nothing of the kind of the one that carries it."""
    mail = as_mail(mail)
    if is_dsn(mail):
        return MailKind.DSN
    if is_mdn(mail):
        return MailKind.MDN
    if is_bounce(mail):
        return MailKind.BOUNCE
    if _KO_SUBJECT.match(mail.subject):
        return MailKind.ERROR_MAIL
    if mail.xdm or _XDM_SUBJECT.match(mail.subject):
        return MailKind.DOCUMENT
    return MailKind.OTHER
