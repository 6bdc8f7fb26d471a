"""Business acknowledgments, written and read."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pfi.model.acknowledgment import BusinessAck, BusinessEvent
from pfi.standards.hl7v2.codes import smtp_code, smtp_codes
from pfi.standards.hl7v2.header import read_header
from pfi.standards.hl7v2.tokenizer import UnreadableMessageError, parse
from pfi.standards.hl7v2.zam import read_zam, write_zam
from tests.unit.hl7v2.specimens import mdm, oru

NOW = datetime(2026, 3, 5, 10, 15, 2, tzinfo=UTC)
EARLIER = datetime(2026, 3, 5, 10, 14, 59, tzinfo=UTC)
HEADER = read_header(parse(oru().raw()))
Z01 = BusinessAck(BusinessEvent.DMP_RECEPTION, "L-77120", True, EARLIER)
Z01_FAILED = replace(Z01, success=False, error_code="DMPClosed", error_text="DMP fermé")
Z02 = BusinessAck(
    BusinessEvent.MSS_RECEPTION, "L-77120", True, EARLIER, "cabinet.test@medecin.mssante.fr", "801234567897"
)
Z02_FAILED = replace(Z02, success=False, error_code="550", error_text="mailbox unavailable")
Z03 = replace(Z02, event=BusinessEvent.MSS_READING, party_id="")
Z03_FAILED = replace(Z03, success=False, error_code="902", error_text="Patient inconnu du logiciel")


def lines(ack: BusinessAck) -> list[str]:
    return write_zam(HEADER, ack, control_id="P-000481", now=NOW).decode().split("\r")


def test_a_dmp_failure_is_written() -> None:
    assert lines(Z01_FAILED) == [
        "MSH|^~\\&|PFI-TEST|CH-TEST|SGL-TEST|LABO-TEST|20260305101502+0000||ZAM^Z01^ZAM_Z01|P-000481|T|2.6|||||FRA"
        "|UNICODE UTF-8|||2.1^CISIS_CDA_HL7_V2",
        "EVN||20260305101459+0000",
        "OBX|1|CWE|ACK_RECEPTION_DMP^Accusé de réception DMP^AckMetierZAM|L-77120|N^^expandedYes-NoIndicator||||||F",
        "ERR|||207^Application error^messageErrorCondition|E|DMPClosed^DMP fermé^DMP_ERROR_CODE",
        "",
    ]


def test_a_dmp_success_has_no_err_and_no_mailbox() -> None:
    assert [line[:3] for line in lines(Z01)] == ["MSH", "EVN", "OBX", ""]
    assert "|Y^^expandedYes-NoIndicator|" in lines(Z01)[2]


def test_a_mail_failure_names_the_mailbox_and_the_smtp_code() -> None:
    assert lines(Z02_FAILED)[2:5] == [
        "OBX|1|CWE|ACK_RECEPTION_MSS^Accusé de réception MSSanté^AckMetierZAM|L-77120|N^^expandedYes-NoIndicator"
        "||||||F",
        "OBX|2|XTN|DESTINATAIRE_MSS^Destinataire MSSanté^AckMetierZAM|801234567897"
        "|^^X.400^cabinet.test@medecin.mssante.fr||||||F",
        f"ERR|||207^Application error^messageErrorCondition|E|550^{smtp_codes()['550']}^SMTPERRORCODE"
        "|||mailbox unavailable",
    ]


def test_a_reading_failure_names_the_functional_error() -> None:
    assert lines(Z03_FAILED)[2].startswith("OBX|1|CWE|ACK_LECTURE_MSS^Accusé de lecture^AckMetierZAM|L-77120|N^^")
    assert lines(Z03_FAILED)[3].startswith("OBX|2|XTN|LECTEUR_MSS^Lecteur du courriel MSSanté^AckMetierZAM||^^X.400^")
    assert "|902^Identifiant patient inconnu^applicationErrorCondition|" in lines(Z03_FAILED)[4]


def test_a_zam_is_in_2_6_even_for_an_oru_in_2_5() -> None:
    assert HEADER.version == "2.5"
    assert parse(write_zam(HEADER, Z01, control_id="1", now=NOW)).msh.text(12) == "2.6"


def test_a_zam_is_in_the_charset_of_the_request() -> None:
    header = read_header(parse(mdm().having("MSH^1^18", "8859/15").raw(codec="iso8859-15")))
    raw = write_zam(header, Z01_FAILED, control_id="1", now=NOW)
    assert "DMP fermé" in raw.decode("iso8859-15")
    assert parse(raw).msh.text(18) == "8859/15"


@pytest.mark.parametrize("ack", [Z01, Z01_FAILED, Z02, Z02_FAILED, Z03, Z03_FAILED])
def test_what_is_written_is_read_back(ack: BusinessAck) -> None:
    assert read_zam(write_zam(HEADER, ack, control_id="1", now=NOW)) == ack


@pytest.mark.parametrize(
    ("code", "nearest"), [("550", "550"), ("471", "451"), ("599", "554"), ("", "554"), ("101", "101"), ("abc", "554")]
)
def test_an_smtp_code_out_of_the_table_becomes_the_nearest(code: str, nearest: str) -> None:
    assert smtp_code(code) == nearest
    assert f"|{nearest}^" in lines(replace(Z02_FAILED, error_code=code))[4]


def test_the_smtp_table_is_whole_and_each_code_has_a_label() -> None:
    assert len(smtp_codes()) == 30
    assert all(len(code) == 3 and label for code, label in smtp_codes().items())


def test_an_unknown_functional_error_becomes_906() -> None:
    assert "|906^" in lines(replace(Z03_FAILED, error_code="999"))[4]


def test_an_unknown_severity_becomes_an_error() -> None:
    assert "|W|" in lines(replace(Z01_FAILED, error_severity="W"))[3]
    assert "|E|" in lines(replace(Z01_FAILED, error_severity="?"))[3]


def test_an_older_form_is_read() -> None:
    raw = (
        "MSH|^~\\&|A|B|C|D|202603050934||ZAM^Z02^ZAM_Z01|18|P|2.6\n"
        "OBX|1|CWE|ACK_RECEPTION_MSS^x^AckMétierZAM|015|n^^HL70136||||||F|\n"
        "ERR|||207^Application internal error^HL70357||550^Boîte inconnue^SMTPERRORCODE\n"
    ).encode()
    assert read_zam(raw) == BusinessAck(
        BusinessEvent.MSS_RECEPTION,
        "015",
        False,
        datetime(2026, 3, 5, 8, 34, tzinfo=UTC),
        error_code="550",
        error_text="Boîte inconnue",
    )


def test_without_any_date_the_event_is_at_the_beginning_of_time() -> None:
    raw = b"MSH|^~\\&|A|B|C|D|||ZAM^Z01^ZAM_Z01|18|P|2.6\rOBX|1|CWE|x|015|Y\r"
    assert read_zam(raw).occurred_at == datetime.min.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "raw",
    [
        b"MSH|^~\\&|A|B|C|D|||ZAM^Z09^ZAM_Z01|18|P|2.6\rOBX|1|CWE|x|015|Y\r",
        b"MSH|^~\\&|A|B|C|D|||ACK^Z01^ACK|18|P|2.6\rOBX|1|CWE|x|015|Y\r",
        b"MSH|^~\\&|A|B|C|D|||ZAM^Z01^ZAM_Z01|18|P|2.6\rOBX|1|CWE|x|015|?\r",
        b"MSH|^~\\&|A|B|C|D|||ZAM^Z01^ZAM_Z01|18|P|2.6\r",
        b"",
    ],
)
def test_what_is_no_zam_raises(raw: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        read_zam(raw)
