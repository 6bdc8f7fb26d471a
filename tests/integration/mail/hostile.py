"""Mails that mean harm, or that nobody would write: each as bytes, without any of our writers."""

import base64
import io
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from tests.unit.mssante.material import cda, document
from tests.unit.xdm.parcels import METADATA, archive, members, metadata, zipped

_MEBIBYTE: Final = 1024 * 1024
_LAUGHS: Final = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>
<SubmitObjectsRequest xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0">&d;</SubmitObjectsRequest>"""
_OUTSIDE: Final = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]><x>&x;</x>'


def mail(name: str, parcel: bytes, *, sender: str, to: str, **headers: str) -> bytes:
    """A document mail whose archive is `parcel`, that asks for an answer."""
    written = EmailMessage(policy=SMTP)
    written["From"], written["To"], written["Subject"] = sender, to, "XDM/1.0/DDM+Essai PAT-TROIS DOMINIQUE"
    written["Date"] = "Thu, 05 Mar 2026 09:12:30 +0100"
    written["Message-ID"] = f"<{name}@essai.mssante.fr>"
    written["Disposition-Notification-To"] = sender
    for header, value in headers.items():
        del written[header]
        written[header] = value
    written.set_content("Voici un document.\n")
    written.add_attachment(parcel, maintype="application", subtype="zip", filename="IHE_XDM.ZIP")
    return written.as_bytes()


def good(number: int) -> bytes:
    """An archive that is filed."""
    return archive(document(cda(unique_id=f"1.2.250.1.999.1.66.{number}")))


def parcels() -> Iterator[tuple[str, bytes, str]]:
    """(name, archive, code of what is found) of archives that are refused."""
    sound = members()
    yield "bombe", _bomb(256), "XDM_ENTRY_TOO_LARGE"
    yield "gonfle", _bomb(48), "XDM_RATIO"
    yield "entrees", zipped({**sound, **{f"F{number}": b"" for number in range(10_000)}}), "XDM_TOO_MANY_ENTRIES"
    yield "remonte", zipped({**sound, "../../etc/cron.d/x": b"x"}), "XDM_NAME_UNSAFE"
    yield "absolu", zipped({**sound, "/etc/passwd": b"x"}), "XDM_NAME_UNSAFE"
    yield "lecteur", zipped({**sound, "C:\\Windows\\x": b"x"}), "XDM_NAME_UNSAFE"
    yield "imbrique", zipped({**sound, "IHE_XDM/SUBSET01/X.ZIP": zipped(sound)}), "XDM_NESTED_ARCHIVE"
    yield "rires", zipped({**sound, METADATA: _LAUGHS}), "XDM_METADATA_UNREADABLE"
    yield "entite", zipped(members(DOC0001=_OUTSIDE)), "XML_DOCTYPE_FORBIDDEN"
    yield "uri", zipped(members(METADATA=metadata().replace(b"DOC0001.XML", b"../../../x.XML"))), "XDM_URI_UNSAFE"
    yield "coupe", zipped(sound)[:-40], "XDM_TRUNCATED"
    yield "rien", b"", "XDM_NOT_A_ZIP"


def ten_thousand_parts(sender: str, to: str) -> bytes:
    head = _head("parties", sender, to, 'multipart/mixed; boundary="B"')
    part = b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    last = b"--B\r\nContent-Type: application/zip; name=IHE_XDM.ZIP\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head + part * 10_000 + last + base64.encodebytes(good(1)).replace(b"\n", b"\r\n") + b"--B--\r\n"


def too_deep(sender: str, to: str) -> bytes:
    body = b"Content-Type: application/zip; name=IHE_XDM.ZIP\r\n\r\nx\r\n"
    for level in range(200):
        mark = f"B{level}".encode()
        opening = b'Content-Type: multipart/mixed; boundary="' + mark + b'"\r\n\r\n--' + mark + b"\r\n"
        body = opening + body + b"\r\n--" + mark + b"--\r\n"
    first, _, rest = body.partition(b"\r\n\r\n")
    return _head("niveaux", sender, to, first.partition(b": ")[2].decode()) + rest


def wrapped(sender: str, to: str) -> bytes:
    """A document mail inside another mail: forwarded as it is, it is not the sender's own."""
    inner = mail("dedans", good(2), sender=sender, to=to)
    head = _head("dehors", sender, to, 'multipart/mixed; boundary="B"').replace(b"XDM/1.0/DDM", b"Pour information")
    return head + b"--B\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--B--\r\n"


def unreadable_text(sender: str, to: str) -> bytes:
    """A sound archive beside a text whose charset is a lie and whose bytes are in none."""
    raw = mail("texte", good(3), sender=sender, to=to)
    lie = raw.replace(b'charset="utf-8"', b'charset="zlib"')
    assert lie != raw
    return lie.replace(b"Voici un document.", b"Voil\xe0 \xff\xfe\x81 un document.")


def injecting(sender: str, to: str) -> bytes:
    """Line ends hidden in names: in the subject, the file name and the label of the sender."""
    trap = "=?utf-8?Q?X=0D=0ABcc:_espion=40ailleurs.example=0D=0A?="
    raw = mail("injecte", good(4), sender=sender, to=to)
    raw = raw.replace(b"From: ", f"From: {trap} <".encode(), 1).replace(b"\r\nTo:", b">\r\nTo:", 1)
    return raw.replace(b"Subject: XDM/1.0/DDM+Essai", f"Subject: XDM/1.0/DDM+Essai {trap}".encode())


def _head(name: str, sender: str, to: str, content_type: str) -> bytes:
    return (
        f"From: {sender}\r\nTo: {to}\r\nSubject: XDM/1.0/DDM+Essai\r\nMessage-ID: <{name}@essai.mssante.fr>\r\n"
        f"Date: Thu, 05 Mar 2026 09:12:30 +0100\r\nDisposition-Notification-To: {sender}\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: {content_type}\r\n\r\n"
    ).encode()


def _bomb(mebibytes: int) -> bytes:
    """An archive a thousand times smaller than its document."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for name, content in members(DOC0001=None).items():
            target.writestr(name, content)
        with target.open("IHE_XDM/SUBSET01/DOC0001.XML", "w") as stream:
            for _ in range(mebibytes):
                stream.write(bytes(_MEBIBYTE))
    return written.getvalue()
