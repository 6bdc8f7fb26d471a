"""Delivery status notifications (RFC 3461, 3464 and 6522; mssante digest §7)."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

REPORTER: Final = "smtp.sandbox"
POSTMASTER: Final = "postmaster@ch-sandbox.mssante.fr"


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """Fate of one recipient. `original` is ORCPT as given, `rfc822;` included; `diagnostic` an SMTP reply; `action`
    (RFC 3464 §2.3.3) is told by `delivered` when it is empty."""

    address: str
    original: str
    delivered: bool
    status: str
    diagnostic: str
    action: str = ""


def write_dsn(
    report: RecipientReport, *, sender: str, envelope_id: str, full: bool, message: bytes, arrived: datetime
) -> bytes:
    """One `multipart/report`. `full` returns the whole mail (RET=FULL), else its headers."""
    boundary = f"dsn-{uuid.uuid4().hex}"
    subject = "Successful Mail Delivery Report" if report.delivered else "Undelivered Mail Returned to Sender"
    sentence = (
        "Le message a été remis à la boîte aux lettres du destinataire."
        if report.delivered
        else "Le message n'a pas pu être remis au destinataire."
    )
    fields = [f"Reporting-MTA: dns; {REPORTER}"]
    if envelope_id:
        fields.append(f"Original-Envelope-Id: {envelope_id}")
    fields += [f"Arrival-Date: {format_datetime(arrived)}", ""]
    if report.original:
        fields.append(f"Original-Recipient: {report.original}")
    fields += [
        f"Final-Recipient: rfc822; {report.address}",
        f"Action: {report.action or ('delivered' if report.delivered else 'failed')}",
        f"Status: {report.status}",
        f"Diagnostic-Code: smtp; {report.diagnostic}",
        "",
    ]
    head = [
        f"From: MAILER-DAEMON <{POSTMASTER}>",
        f"To: <{sender}>",
        f"Subject: {subject}",
        f"Date: {format_datetime(datetime.now(UTC))}",
        f"Message-ID: <{uuid.uuid4()}@{REPORTER}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        sentence,
        "",
        f"--{boundary}",
        "Content-Type: message/delivery-status",
        "",
        *fields,
        f"--{boundary}",
        f"Content-Type: {'message/rfc822' if full else 'text/rfc822-headers'}",
        "",
        "",
    ]
    returned = message if full else message.partition(b"\r\n\r\n")[0] + b"\r\n"
    return "\r\n".join(head).encode() + returned + f"\r\n--{boundary}--\r\n".encode()
