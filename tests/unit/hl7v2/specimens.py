"""Messages written for these tests: a sound ORU, a sound MDM, an ADT, and a way to bend one field at a time."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from pfi.model.finding import Finding, Severity
from pfi.model.profile import Mode, SenderProfile
from pfi.standards.hl7v2.request import RequestReading, read_request
from pfi.standards.hl7v2.tokenizer import parse

CDA = b"<ClinicalDocument/>"
INS = "279035121518989"
INS_CX = f"{INS}^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS"
IPP_CX = "8800123^^^CH-TEST&750000001&M^PI"
STRICT = SenderProfile(mode=Mode.STRICT)
TOLERANT = SenderProfile()

FLAG_CODES = (
    "MASQUE_PS",
    "INVISIBLE_PATIENT",
    "INVISIBLE_REP_LEGAUX",
    "CONNEXION_SECRETE",
    "MODIF_CONF_CODE",
    "DESTDMP",
    "DESTMSSANTEPS",
    "DESTMSSANTEPAT",
    "ACK_RECEPTION",
    "ACK_LECTURE_MSS",
)
SENT_BY = (
    "PRT||UC||SB^Send by^participation|801234567866^DEMO^Alice^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
    "|||Labo Test^^^^^ASIP-SANTE-ST&1.2.250.1.71.4.2.2&ISO^FINEG^^^750000002"
)
TO_PROFESSIONAL = (
    "PRT||UC||RCT^Result Copies To^participation|801234567897^DEMO^Bruno^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO"
    "^D^^^IDNPS||||||||||^^X.400^bruno.demo@medecin.mssante.fr"
)
TO_PATIENT = (
    f"PRT||UC||RCT^Result Copies To^participation|{INS}^PAT-TROIS^DOMINIQUE^^^^^^ASIP-SANTE-INS-NIR"
    f"&1.2.250.1.213.1.4.10&ISO^L^^^INS||||||||||^^X.400^{INS}@patient.mssante.fr"
)
REPLY = "PRT||UC||REPLY^Reply To^participation|||||||||||^^X.400^labo.test@labo.mssante.fr"


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


@dataclass(frozen=True)
class Specimen:
    """Segments as lines. Every method gives another specimen."""

    lines: tuple[str, ...]

    def having(self, place: str, value: str) -> "Specimen":
        """`place` is `PV1^1^19`: the field of the first, second... segment of that name."""
        name, ordinal, number = place.split("^")
        index = self._index(name, int(ordinal))
        fields = self.lines[index].split("|")
        position = int(number) - 1 if name == "MSH" else int(number)
        fields += [""] * (position + 1 - len(fields))
        fields[position] = value
        return self._replaced(index, ("|".join(fields),))

    def without(self, name: str) -> "Specimen":
        """All segments of that name gone."""
        return Specimen(tuple(line for line in self.lines if not line.startswith(name + "|")))

    def dropping(self, text: str) -> "Specimen":
        """The lines that hold `text` gone."""
        return Specimen(tuple(line for line in self.lines if text not in line))

    def after(self, text: str, *added: str) -> "Specimen":
        """Lines added after the first one that holds `text`."""
        index = next(index for index, line in enumerate(self.lines) if text in line)
        return Specimen(self.lines[: index + 1] + added + self.lines[index + 1 :])

    def ending(self, *added: str) -> "Specimen":
        return Specimen(self.lines + added)

    def flag(self, code: str, value: str) -> "Specimen":
        """The value of a flag (whole OBX-5.1)."""
        index = next(index for index, line in enumerate(self.lines) if f"|{code}^" in line)
        fields = self.lines[index].split("|")
        fields[5] = f"{value}^^expandedYes-NoIndicator"
        return self._replaced(index, ("|".join(fields),))

    def flags(self, **values: str) -> "Specimen":
        specimen = self
        for code, value in values.items():
            specimen = specimen.flag(code, value)
        return specimen

    def replacing(self, old: str, new: str) -> "Specimen":
        return Specimen(tuple(line.replace(old, new) for line in self.lines))

    def raw(self, *, codec: str = "utf-8", terminator: str = "\r") -> bytes:
        return "".join(line + terminator for line in self.lines).encode(codec)

    def read(self, profile: SenderProfile = TOLERANT) -> RequestReading:
        return read_request(parse(self.raw()), profile)

    def _index(self, name: str, ordinal: int) -> int:
        return [index for index, line in enumerate(self.lines) if line.split("|")[0] == name][ordinal - 1]

    def _replaced(self, index: int, lines: tuple[str, ...]) -> "Specimen":
        return Specimen(self.lines[:index] + lines + self.lines[index + 1 :])


def flag_lines(first: int, coded_type: str, yes: Iterable[str]) -> tuple[str, ...]:
    asked = frozenset(yes)
    return tuple(
        f"OBX|{first + rank}|{coded_type}|{code}^Libellé^MetaDMPMSS||"
        f"{'Y' if code in asked else 'N'}^^expandedYes-NoIndicator||||||F|"
        for rank, code in enumerate(FLAG_CODES)
    )


def oru() -> Specimen:
    """An initial ORU in full agreement with the profile, to the DMP, a professional and the patient."""
    return Specimen(
        (
            "MSH|^~\\&|SGL-TEST|LABO-TEST|PFI-TEST|CH-TEST|20260305101400||ORU^R01^ORU_R01|L-77120|T|2.5|||||FRA"
            "|UNICODE UTF-8|||2.1^CISIS_CDA_HL7_V2",
            f"PID|||{INS_CX}~{IPP_CX}||PAT-TROIS^DOMINIQUE^DOMINIQUE^^^^L||19790328|F|||1 rue Test^^PARIS^^75007^FRA^H"
            "~^^^^^^BDL^^63220|||||||990001^^^CH-TEST&750000001&M^AN|||||||||||||N|VALI",
            "PV1|1|O|||||||||||||||||5500042^^^CH-TEST&750000001&M^VN|||||||||||||||||||||||||20260305093000",
            "ORC|NW",
            "OBR|1|||11502-2^CR d'examens biologiques^LN",
            f"OBX|1|ED|11502-2^CR d'examens biologiques^LN||^TEXT^XML^Base64^{b64(CDA)}||||||F|",
            SENT_BY,
            TO_PROFESSIONAL,
            TO_PATIENT,
            REPLY,
            *flag_lines(2, "CE", ("DESTDMP", "DESTMSSANTEPS", "DESTMSSANTEPAT", "ACK_RECEPTION", "ACK_LECTURE_MSS")),
        )
    )


def mdm(event: str = "T02", control: str = "NW", status: str = "F") -> Specimen:
    """An MDM in full agreement with the profile, to the DMP and a professional, hidden from the patient."""
    return Specimen(
        (
            f"MSH|^~\\&|RIS-TEST|CH-TEST|PFI-TEST|CH-TEST|20260306083000||MDM^{event}^MDM_T02|R-501|T|2.6|||||FRA"
            "|UNICODE UTF-8|||2.1^CISIS_CDA_HL7_V2",
            "EVN||20260306083000",
            f"PID|||{INS_CX}||PAT-TROIS^DOMINIQUE^DOMINIQUE^^^^L||19790328|F|||^^^^^^BDL^^63220"
            "|||||||990001^^^CH-TEST&750000001&M^AN|||||||||||||N|VALI",
            "PV1|1|N",
            f"ORC|{control}",
            "OBR|1|||18748-4^CR d'imagerie médicale^LN",
            "TXA|1|18748-4|TEXT|202603060825||||||||58132^^1.2.250.1.999.7^ISO|58131^^1.2.250.1.999.7^ISO||||AU",
            f"OBX|1|ED|18748-4^CR d'imagerie médicale^LN||^text^XML^Base64^{b64(CDA)}||||||{status}|",
            SENT_BY,
            TO_PROFESSIONAL,
            *flag_lines(2, "CWE", ("INVISIBLE_PATIENT", "DESTDMP", "DESTMSSANTEPS")),
        )
    )


def adt(event: str = "A01") -> Specimen:
    """A PAM.FR admission of a patient who is not opposed to the feeding of the DMP."""
    return Specimen(
        (
            f"MSH|^~\\&|GAM-TEST|CH-TEST|PFI-TEST|CH-TEST|20260308080000||ADT^{event}^ADT_A01|G-1|D|2.5^FRA^2.11|||||FRA"
            "|UNICODE UTF-8|FR||2.11^IHE_FRANCE-2.11-PAM",
            "EVN||20260308080000||||20260308073000",
            f"PID|1||{IPP_CX}~{INS_CX}^^20101207||PAT-TROIS^DOMINIQUE^DOMINIQUE^^^^L||19790328|F|||^^^^^^BDL^^63220"
            "|||||||990001^^^CH-TEST&750000001&M^AN|||||||||||||N||VALI".replace("N||VALI", "N|VALI"),
            "ROL||UC|ODRP|10000023084^DEMO^Claire^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^L^^^RPPS",
            "PV1|1|I|3435^^^CH-TEST|||||801234567897^DEMO^Bruno^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
            "|||||||||||5500042^^^CH-TEST&750000001&M^VN",
            "ZBE|312^CH-TEST^750000001|20260308073000||INSERT|N||Chirurgie^^^^^CH-TEST&750000001&M^UF^^^6268"
            "|Chirurgie^^^^^CH-TEST&750000001&M^UF^^^6269|HMS",
            "ZFA|ACTIF|20260308|||||||INO|20260308|IC|20260308",
            "ZFD|||Y|N|INSI|20260101||",
        )
    )


def errors(findings: Iterable[Finding]) -> list[tuple[str, str, str]]:
    """(err3, where, code) of what refuses a message."""
    return [(finding.err3, finding.where, finding.code) for finding in findings if finding.severity is Severity.ERROR]


def codes(findings: Iterable[Finding], severity: Severity | None = None) -> set[str]:
    return {finding.code for finding in findings if severity in (None, finding.severity)}
