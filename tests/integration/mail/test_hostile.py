"""Mails that mean harm, through the operator into an engine: refused with their reason, and the mailbox goes on."""

import re
import resource
import time
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from typing import Final

from tests.certificates import certificates_in
from tests.integration.mail import hostile
from tests.integration.mail.hospitals import Post, hospital

STRANGER: Final = "quelqu.un@ailleurs.example"
MEMORY: Final = 300 * 1024
"""kB that all of it may cost."""
SECONDS: Final = 60.0


async def test_hostile_mails_are_refused_with_their_reason_and_the_good_one_behind_is_filed(
    post: Post, store_url: str, tmp_path: Path
) -> None:
    certificates = certificates_in(tmp_path / "certificates")
    trusted = {"file": str(_white_list(tmp_path, post)), "domains": ["ch-a.mssante.fr"]}
    a, b = post.a, post.b
    refused = {name: code for name, _, code in hostile.parcels()}
    before, started = _memory(), time.monotonic()
    async with hospital(store_url, post, b, certificates, white_list=trusted) as house:
        for name, parcel, _ in hostile.parcels():
            post.submit(a, b, hostile.mail(name, parcel, sender=a, to=b))
        post.submit(a, b, hostile.ten_thousand_parts(a, b))
        post.submit(a, b, hostile.too_deep(a, b))
        post.submit(a, b, hostile.wrapped(a, b))
        post.submit(STRANGER, b, hostile.mail("etranger", hostile.good(5), sender=STRANGER, to=b))
        post.submit(STRANGER, b, hostile.mail("enveloppe", hostile.good(6), sender=a, to=b))
        post.submit(a, b, hostile.mail("plusieurs", hostile.good(7), sender=a, to=b, From=f"{STRANGER}, {a}"))
        post.submit(a, b, hostile.unreadable_text(a, b))
        post.submit(a, b, hostile.injecting(a, b))
        post.submit(a, b, hostile.mail("bon", hostile.good(8), sender=a, to=b))
        await house.until_mails(len(refused) + 9)
        assert time.monotonic() - started < SECONDS
        rows = await house.fetch("SELECT message_id, mail_id, state, code FROM mails")
        found = {row["mail_id"].partition("@")[0]: row for row in rows}
        for name, code in refused.items():
            assert found[name]["state"] == "refused", name
            assert code in await house.findings(found[name]["message_id"]), name
        assert {name: (row["state"], row["code"]) for name, row in found.items() if name not in refused} == {
            "parties": ("refused", "906"),
            "niveaux": ("refused", "906"),
            "plusieurs": ("kept", "MAIL_SENDER_OUTSIDE"),
            "dehors": ("kept", "MAIL_OTHER"),
            "etranger": ("kept", "MAIL_SENDER_OUTSIDE"),
            "enveloppe": ("kept", "MAIL_SENDER_OUTSIDE"),
            "texte": ("integrated", ""),
            "injecte": ("integrated", ""),
            "bon": ("integrated", ""),
        }
        assert "MAIL_CHARSET_WRONG" in await house.findings(found["texte"]["message_id"])
        assert sorted(each.unique_id for each in house.dpi.filed) == [
            f"1.2.250.1.999.1.66.{number}" for number in (3, 4, 8)
        ]
        assert house.dpi.refusals == []
        answers = await house.fetch("SELECT content FROM handovers WHERE kind = 'mail'")
        assert len(answers) == len(refused) + 5
        for row in answers:
            _harmless(row["content"])
    assert _memory() - before < MEMORY


async def test_names_with_line_ends_inject_nothing_into_what_we_send(
    post: Post, store_url: str, hospital_url: str, tmp_path: Path
) -> None:
    """From the CDA of a sender to the mail, and from the mail to the message of the other DPI."""
    certificates = certificates_in(tmp_path / "certificates")
    async with (
        hospital(store_url, post, post.a, certificates) as a,
        hospital(hospital_url, post, post.b, certificates) as b,
    ):
        content = await a.send("M1", b.mailbox, spoil=_injected)
        assert b"Bcc" in content
        (filed,) = await b.filed(1)
        assert filed.document == content
        assert await b.until_mails(1) == [("integrated", "")]
        (row,) = await b.fetch("SELECT content FROM bodies")
        _harmless(row["content"])
        assert [zam[1:] for zam in await a.told(2)] == [
            ("Z02", True, b.mailbox, ""),
            ("Z03", True, b.mailbox, ""),
        ]
        assert b.dpi.refusals == []


def _injected(content: bytes) -> bytes:
    """The label of the document, which goes into the subject and into file names, and its title."""
    trap = b"X&#13;&#10;Bcc: espion@ailleurs.example&#13;&#10;"
    spoilt = re.sub(rb'(<code [^>]*displayName=")', rb"\1" + trap, content, count=1)
    return re.sub(rb"<title>", b"<title>" + trap, spoilt, count=1)


def _harmless(raw: bytes) -> None:
    mail = message_from_bytes(raw, policy=SMTP)
    assert "Bcc" not in mail
    assert not any(b"Bcc" in line[:4] for line in raw.partition(b"\r\n\r\n")[0].splitlines())
    assert not mail.defects


def _white_list(directory: Path, post: Post) -> Path:
    domains = {each.partition("@")[2] for each in (post.a, post.b)}
    path = directory / "liste.xml"
    entries = "".join(f"<Domaine><Nom>{domain}</Nom></Domaine>" for domain in sorted(domains))
    path.write_text(f"<ListeBlanche>{entries}</ListeBlanche>")
    return path


def _memory() -> int:
    """Largest size of this process so far, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
