"""What each mail of the corpus is and says.

The mails were written for this project after the forms of mail systems; their addresses are invented, the only INS is
the public test identity. Each line was read against its mail and MSSanté digest §7, §8.2: the table judges the reader.
"""

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final

from pfi.standards.mail.kind import MailKind

CORPUS: Final = Path(__file__).parent / "corpus"

OUR_ID: Final = "<9b0c2a52-0d3c-4f43-8a57-1f6f5a3e7c11@ch-exemple.mssante.fr>"
"""The Message-ID of the mail that the notifications speak of."""
OUR_ENVELOPE: Final = "e0e1e2e3"
"""Its ENVID."""

DSN, MDN, BOUNCE = MailKind.DSN, MailKind.MDN, MailKind.BOUNCE
ERROR_MAIL, DOCUMENT, OTHER = MailKind.ERROR_MAIL, MailKind.DOCUMENT, MailKind.OTHER


class Keys(Enum):
    """By what a notification can be matched to our mail."""

    BOTH = auto()
    ENVELOPE = auto()
    ID = auto()
    NOTHING = auto()
    """By its recipient and time only."""


BOTH, ENVELOPE, ID, NOTHING = Keys


@dataclass(frozen=True, slots=True)
class Delivery:
    """`recipients`: address, action, code."""

    kind: MailKind
    keys: Keys
    recipients: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    kind: MailKind
    reader: str
    disposition: str
    success: bool | None
    code: str


@dataclass(frozen=True, slots=True)
class Other:
    kind: MailKind


EXPECTED: Final[dict[str, Delivery | Reading | Other]] = {
    "courier-dsn-failed": Delivery(DSN, ID, (("dr.essai@medecin.mssante.fr", "failed", "550"),)),
    "courier-prose-failed": Delivery(BOUNCE, ID, (("dr.essai@medecin.mssante.fr", "failed", "551"),)),
    "document-about-delivery-failure": Other(DOCUMENT),
    "document-plain": Other(DOCUMENT),
    "document-subject-without-archive": Other(DOCUMENT),
    "dsn-in-a-disclaimer-wrapping": Delivery(DSN, BOTH, (("dr.pied@medecin.mssante.fr", "failed", "550"),)),
    "dsn-truncated": Delivery(DSN, ENVELOPE, (("dr.coupe@medecin.mssante.fr", "failed", "500"),)),
    "dsn-wrong-boundary": Delivery(DSN, ENVELOPE, (("dr.limite@medecin.mssante.fr", "failed", "420"),)),
    "error-mail-standard": Reading(ERROR_MAIL, "service-y_auto@chb.mssante.fr", "processed", False, "902"),
    "exchange-dsn-delivered-with-display-name": Delivery(
        DSN, BOTH, (("dr.remis@ch-voisin.mssante.fr", "delivered", ""),)
    ),
    "exchange-dsn-failed": Delivery(DSN, ID, (("dr.inconnu@ch-voisin.mssante.fr", "failed", "550"),)),
    "exchange-dsn-relayed": Delivery(DSN, BOTH, (("dr.relais@ch-voisin.mssante.fr", "relayed", "251"),)),
    "exchange-prose-delayed-french": Delivery(BOUNCE, ID, (("dr.lent@ch-nuage.mssante.fr", "delayed", ""),)),
    "exchange-prose-english": Delivery(BOUNCE, ID, (("dr.essai@ch-voisin.mssante.fr", "failed", "550"),)),
    "exchange-prose-french": Delivery(BOUNCE, ID, (("dr.plein@ch-voisin.mssante.fr", "failed", "552"),)),
    "exim-dsn-failed": Delivery(DSN, ID, (("dr.essai@medecin.mssante.fr", "failed", "550"),)),
    "exim-dsn-success-with-envelope": Delivery(DSN, BOTH, (("secretariat@ch-voisin.mssante.fr", "delivered", ""),)),
    "exim-prose-delayed": Delivery(BOUNCE, NOTHING, (("dr.lent@medecin.mssante.fr", "delayed", ""),)),
    "exim-prose-failed": Delivery(
        BOUNCE,
        ID,
        (
            ("dr.essai@medecin.mssante.fr", "failed", "550"),
            ("dr.autre@medecin.mssante.fr", "failed", "552"),
        ),
    ),
    "exim-prose-retry-exceeded": Delivery(BOUNCE, ID, (("dr.lent@medecin.mssante.fr", "failed", "420"),)),
    "exim-prose-unrouteable": Delivery(BOUNCE, ID, (("dr.faute@medecin.mssnate.fr", "failed", "512"),)),
    "mdn-112-error-in-disposition": Reading(MDN, "service-y@chb.mssante.fr", "processed", False, "903"),
    "mdn-112-volet-typography": Reading(MDN, "service-y_auto@chb.mssante.fr", "processed", False, "902"),
    "mdn-113-error-folded-odd-case": Reading(MDN, "service-y@chb.mssante.fr", "processed", False, "904"),
    "mdn-113-error": Reading(MDN, "service-y@chb.mssante.fr", "processed", False, "902"),
    "mdn-113-success": Reading(MDN, "service-y@chb.mssante.fr", "processed", True, ""),
    "mdn-base64-part": Reading(MDN, "service-y@chb.mssante.fr", "displayed", True, ""),
    "mdn-closed-too-early": Reading(MDN, "service-y@chb.mssante.fr", "processed", False, "905"),
    "mdn-code-in-subject-only": Reading(MDN, "service-y@chb.mssante.fr", "processed", False, "901"),
    "mdn-deleted-outlook": Reading(MDN, "dr.essai@ch-voisin.mssante.fr", "deleted", False, "906"),
    "mdn-denied": Reading(MDN, "dr.essai@ch-voisin.mssante.fr", "denied", False, "906"),
    "mdn-dispatched-third-part-only": Reading(MDN, "secretariat@ch-voisin.mssante.fr", "dispatched", True, ""),
    "mdn-displayed-manual-thunderbird": Reading(MDN, "dr.essai@medecin.mssante.fr", "displayed", True, ""),
    "mdn-displayed-outlook-in-reply-to-only": Reading(MDN, "dr.essai@ch-voisin.mssante.fr", "displayed", True, ""),
    "mdn-error-field-without-modifier": Reading(MDN, "service-y@chb.mssante.fr", "processed", False, "900"),
    "mdn-failed": Reading(MDN, "service-y@chb.mssante.fr", "failed", False, "906"),
    "mdn-flattened": Reading(MDN, "service-y@chb.mssante.fr", "displayed", True, ""),
    "mdn-mes-citizen": Reading(MDN, "279035121518989@patient.mssante.fr", "displayed", True, ""),
    "mdn-unknown-code": Reading(MDN, "service-y@chb.mssante.fr", "processed", False, "906"),
    "mdn-unknown-type": Reading(MDN, "service-y@chb.mssante.fr", "unknown", None, ""),
    "mdn-warning-is-read": Reading(MDN, "service-y@chb.mssante.fr", "displayed", True, ""),
    "mes-closed-nobody-named": Delivery(BOUNCE, ID, (("", "failed", "550"),)),
    "mes-closed": Delivery(BOUNCE, ID, (("279035121518989@patient.mssante.fr", "failed", "550"),)),
    "mes-dsn-reason-in-text-only": Delivery(DSN, ENVELOPE, (("279035121518989@patient.mssante.fr", "failed", "550"),)),
    "mes-invalid-address": Delivery(BOUNCE, ID, (("27903512151898@patient.mssante.fr", "failed", "510"),)),
    "mes-not-found": Delivery(BOUNCE, ID, (("279035121518989@patient.mssante.fr", "failed", "550"),)),
    "mes-size-undelivered": Delivery(BOUNCE, ID, (("279035121518989@patient.mssante.fr", "failed", "523"),)),
    "mes-windows-1252": Delivery(BOUNCE, ID, (("279035121518989@patient.mssante.fr", "failed", "550"),)),
    "office365-dsn-size": Delivery(DSN, ENVELOPE, (("dr.gros@ch-nuage.mssante.fr", "failed", "523"),)),
    "office365-prose-english": Delivery(BOUNCE, ID, (("dr.essai@ch-nuage.mssante.fr", "failed", "550"),)),
    "office365-prose-french": Delivery(BOUNCE, ID, (("dr.filtre@ch-nuage.mssante.fr", "failed", "541"),)),
    "other-citizen-answer": Other(OTHER),
    "other-forwarded-dsn": Other(OTHER),
    "other-postmaster-announcement": Other(OTHER),
    "other-vacation": Other(OTHER),
    "postfix-delayed": Delivery(DSN, BOTH, (("dr.lent@medecin.mssante.fr", "delayed", ""),)),
    "postfix-dns-failure": Delivery(DSN, ID, (("dr.faute@medecin.mssnate.fr", "failed", "512"),)),
    "postfix-encoded-status-part": Delivery(DSN, ID, (("dr.code@medecin.mssante.fr", "failed", "513"),)),
    "postfix-expanded": Delivery(DSN, BOTH, (("liste.cardio@ch-voisin.mssante.fr", "expanded", ""),)),
    "postfix-failed-unknown-user": Delivery(DSN, BOTH, (("dr.essai@medecin.mssante.fr", "failed", "550"),)),
    "postfix-flattened-fields": Delivery(BOUNCE, BOTH, (("dr.aplati@medecin.mssante.fr", "failed", "550"),)),
    "postfix-groups-without-blank-line": Delivery(
        DSN,
        ENVELOPE,
        (
            ("un@medecin.mssante.fr", "failed", "550"),
            ("deux@medecin.mssante.fr", "delivered", ""),
        ),
    ),
    "postfix-prose-only": Delivery(
        BOUNCE,
        ID,
        (
            ("dr.absent@medecin.mssante.fr", "failed", "550"),
            ("dr.plein@medecin.mssante.fr", "failed", "422"),
        ),
    ),
    "postfix-relayed": Delivery(DSN, BOTH, (("docteur@ancien.mssante.fr", "relayed", "251"),)),
    "postfix-several-recipients": Delivery(
        DSN,
        BOTH,
        (
            ("plein@medecin.mssante.fr", "failed", "552"),
            ("trop.gros@medecin.mssante.fr", "failed", "523"),
            ("ok@medecin.mssante.fr", "delivered", ""),
            ("lent@medecin.mssante.fr", "delayed", ""),
        ),
    ),
    "postfix-smtputf8": Delivery(DSN, BOTH, (("hélène@medecin.mssante.fr", "failed", "550"),)),
    "postfix-status-generic-words-precise": Delivery(DSN, BOTH, (("filtre@medecin.mssante.fr", "failed", "541"),)),
    "postfix-success-delivered": Delivery(DSN, BOTH, (("secretariat@ch-voisin.mssante.fr", "delivered", ""),)),
    "postfix-whole-mail-returned": Delivery(DSN, ID, (("279035121518989@patient.mssante.fr", "failed", "523"),)),
    "qmail-other-program": Delivery(BOUNCE, ID, (("dr.plein@ch-voisin.mssante.fr", "failed", "552"),)),
    "qmail-queue-too-long": Delivery(BOUNCE, ID, (("dr.lent@ch-voisin.mssante.fr", "failed", "420"),)),
    "qmail-two-recipients-no-codes": Delivery(
        BOUNCE,
        ID,
        (
            ("dr.absent@ch-voisin.mssante.fr", "failed", "550"),
            ("dr.faute@ch-viosin.mssante.fr", "failed", "512"),
        ),
    ),
    "qmail-unknown-user": Delivery(BOUNCE, ID, (("dr.essai@medecin.mssante.fr", "failed", "550"),)),
    "sendmail-dsn-failed": Delivery(DSN, BOTH, (("dr.essai@medecin.mssante.fr", "failed", "550"),)),
    "sendmail-dsn-relayed": Delivery(DSN, BOTH, (("docteur@ancien.mssante.fr", "relayed", "251"),)),
    "sendmail-dsn-warning": Delivery(DSN, BOTH, (("dr.lent@medecin.mssante.fr", "delayed", ""),)),
    "sendmail-old-reason": Delivery(BOUNCE, ID, (("dr.faute@medecin.mssnate.fr", "failed", "512"),)),
    "sendmail-old-success": Delivery(BOUNCE, ID, (("secretariat@ch-voisin.mssante.fr", "delivered", ""),)),
    "sendmail-old-transcript": Delivery(
        BOUNCE,
        ID,
        (
            ("dr.essai@medecin.mssante.fr", "failed", "553"),
            ("dr.plein@medecin.mssante.fr", "failed", "552"),
        ),
    ),
    "sendmail-old-warning": Delivery(BOUNCE, ID, (("dr.lent@medecin.mssante.fr", "delayed", ""),)),
}
