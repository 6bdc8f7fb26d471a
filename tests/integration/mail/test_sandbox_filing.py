"""The sandbox's DPI files what the volet describes, and nothing else."""

import pytest

from connectors.sandbox.filed import WrongMdmError, read_mdm
from pfi.model.submission import Orders, Request
from pfi.standards.hl7v2.mdm import Addressing, MailOrigin, MailRecipient, write_mdm
from pfi.standards.hl7v2.tokenizer import parse
from tests.unit.mssante.material import MOMENT, cda, document


def message(request: Request = Request.INITIAL) -> bytes:
    return write_mdm(
        document(cda(unique_id="1.2.250.1.999.1.7.1")),
        request=request,
        flags=Orders(masque_ps=True),
        mail=MailOrigin(
            message_id="<m@ch-a.mssante.fr>",
            subject="XDM/1.0/DDM+Essai",
            text="Voici.",
            received_at=MOMENT,
            sender="pfi.app@ch-a.mssante.fr",
            recipients=(MailRecipient("pfi.app@ch-b.mssante.fr"),),
        ),
        addressing=Addressing("PFI", "", "DPI", "CH", "D"),
        control_id="M1",
        now=MOMENT,
    )


def test_what_the_volet_describes_is_filed_with_its_bytes() -> None:
    found = read_mdm(parse(message()))
    assert (found.event, found.unique_id, found.type_code) == ("T02", "1.2.250.1.999.1.7.1", "18748-4")
    assert (found.mail_id, found.sender, found.flags) == (
        "<m@ch-a.mssante.fr>",
        "pfi.app@ch-a.mssante.fr",
        ("MASQUE_PS",),
    )
    assert found.document == cda(unique_id="1.2.250.1.999.1.7.1")
    assert read_mdm(parse(message(Request.DELETE))).event == "T04"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"MDM^T02^MDM_T02", b"MDM^T01^MDM_T01", "201"),
        (b"CISIS_CDA_HL7_LPS", b"CISIS_CDA_HL7_V2", "203"),
        (b"\rORC|NW\r", b"\rORC|RO\r", "103"),
        (b"\rPV1|1|N\r", b"\rPV1|1|I\r", "103"),
        (b"|M1|", b"||", "101"),
        (b"^text^XML^Base64^", b"^text^PDF^Base64^", "103"),
        (b"^text^XML^Base64^", b"^text^XML^Base64^!!", "102"),
        (b"\rOBX|6|CWE|MODIF_CONF_CODE", b"\rOBX|6|CWE|AUTRE", "103"),
        (b"^^X.400^pfi.app@ch-a.mssante.fr", b"", "101"),
        (b"MDM^T02^MDM_T02", b"MDM^T10^MDM_T02", "103"),
    ],
)
def test_what_breaks_the_profile_is_refused(old: bytes, new: bytes, code: str) -> None:
    raw = message()
    assert old in raw
    with pytest.raises(WrongMdmError) as wrong:
        read_mdm(parse(raw.replace(old, new)))
    assert wrong.value.code == code
