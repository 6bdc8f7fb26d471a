"""The invented people and places of the samples.

Patients carry the INS OID reserved to tests (1.2.250.1.213.1.4.10). Their commune codes do not exist, so that no
matricule can belong to anybody; the first patient is the public test identity of the ANS. FINESS and RPPS numbers
are well formed (Luhn key) and invented.
"""

import uuid
from dataclasses import dataclass

TEST_INS_OID = "1.2.250.1.213.1.4.10"
PROFESSIONAL_OID = "1.2.250.1.71.4.2.1"
STRUCTURE_OID = "1.2.250.1.71.4.2.2"

_NAMESPACE = uuid.UUID("5a1f4c0e-0f0d-5c1b-9a51-6b1e6f1d2026")


def identifier(seed: str) -> uuid.UUID:
    """A UUID that depends on nothing but the seed, so that every run writes the same files."""
    return uuid.uuid5(_NAMESPACE, seed)


def oid(seed: str) -> str:
    """An OID under the arc 2.25 of ITU-T X.667, which needs no registration."""
    return f"2.25.{identifier(seed).int}"


IPP_OID = oid("ipp")
"""Assigning authority of the local patient identifiers (IPP)."""


def ins_key(m13: str) -> str:
    """The two-digit key of a matricule of 13 characters (INS digest §1.2)."""
    department = m13[5:7]
    number = m13[:5] + {"2A": "19", "2B": "18"}.get(department, department) + m13[7:]
    return f"{97 - int(number) % 97:02d}"


@dataclass(frozen=True, slots=True)
class Address:
    number: str
    street: str
    postal_code: str
    city: str


@dataclass(frozen=True, slots=True)
class Person:
    """A patient. `matricule` has 15 characters; `qualified` = the establishment may send it."""

    ipp: str
    m13: str
    family: str
    first_given: str
    givens: str
    birth_date: str
    sex: str
    birth_place: str
    birth_city: str
    address: Address
    account: str
    qualified: bool = True

    @property
    def matricule(self) -> str:
        return self.m13 + ins_key(self.m13)

    @property
    def mailbox(self) -> str:
        return f"{self.matricule}@patient.mssante.fr"


@dataclass(frozen=True, slots=True)
class Structure:
    """`finess` is the FINESS géographique (9 digits); the national identifier is `1` + FINESS."""

    name: str
    finess: str
    address: Address
    telecom: str
    facility: tuple[str, str]
    practice: tuple[str, str]

    @property
    def national_id(self) -> str:
        return f"1{self.finess}"


@dataclass(frozen=True, slots=True)
class Professional:
    """`rpps` has 11 digits; the national identifier is `8` + RPPS."""

    rpps: str
    family: str
    given: str
    title: str
    specialty: tuple[str, str]
    structure: Structure
    mailbox: str = ""

    @property
    def national_id(self) -> str:
        return f"8{self.rpps}"


HOSPITAL = Structure(
    name="CH Exemple",
    finess="750999013",
    address=Address("1", "Place de l'Exemple", "75099", "EXEMPLE-VILLE"),
    telecom="tel:0199990001",
    facility=("SA01", "Etablissement public de santé"),
    practice=("ETABLISSEMENT", "Etablissement de santé"),
)
LABORATORY = Structure(
    name="Laboratoire de biologie Exemple",
    finess="750999021",
    address=Address("3", "Rue des Éprouvettes", "75099", "EXEMPLE-VILLE"),
    telecom="tel:0199990002",
    facility=("SA25", "Laboratoire de biologie médicale"),
    practice=("AMBULATOIRE", "Ambulatoire"),
)
HOSPITAL_LABORATORY = Structure(
    name="CH Exemple - Laboratoire",
    finess="750999013",
    address=HOSPITAL.address,
    telecom="tel:0199990003",
    facility=("SA01", "Etablissement public de santé"),
    practice=("ETABLISSEMENT", "Etablissement de santé"),
)
PRACTICE = Structure(
    name="Maison de santé des Acacias",
    finess="750999039",
    address=Address("12", "Rue des Acacias", "75099", "EXEMPLE-VILLE"),
    telecom="tel:0199990004",
    facility=("SA08", "Cabinet de groupe"),
    practice=("AMBULATOIRE", "Ambulatoire"),
)
PHARMACY = Structure(
    name="Pharmacie du Marché",
    finess="750999047",
    address=Address("5", "Place du Marché", "75099", "EXEMPLE-VILLE"),
    telecom="tel:0199990005",
    facility=("SA33", "Pharmacie d'officine"),
    practice=("AMBULATOIRE", "Ambulatoire"),
)

CARDIOLOGIST = Professional(
    rpps="10999900011",
    family="TILLEUL",
    given="Claire",
    title="DR",
    specialty=("G15_10/SM04", "Médecin - Cardiologie et maladies vasculaires (SM)"),
    structure=HOSPITAL,
    mailbox="claire.tilleul@ch-exemple.mssante.fr",
)
SURGEON = Professional(
    rpps="10999900029",
    family="FRENE",
    given="Hugo",
    title="DR",
    specialty=("G15_10/SM05", "Médecin - Chirurgie générale (SM)"),
    structure=HOSPITAL,
    mailbox="hugo.frene@ch-exemple.mssante.fr",
)
RADIOLOGIST = Professional(
    rpps="10999900037",
    family="SAULE",
    given="Inès",
    title="DR",
    specialty=("G15_10/SM44", "Médecin - Radio-diagnostic (SM)"),
    structure=HOSPITAL,
    mailbox="ines.saule@ch-exemple.mssante.fr",
)
BIOLOGIST = Professional(
    rpps="10999900045",
    family="CHARME",
    given="Victor",
    title="DR",
    specialty=("G15_10/SM03", "Médecin - Biologie médicale (SM)"),
    structure=LABORATORY,
    mailbox="victor.charme@labo-exemple.mssante.fr",
)
HOSPITAL_BIOLOGIST = Professional(
    rpps="10999900052",
    family="ORME",
    given="Sarah",
    title="DR",
    specialty=("G15_10/SM03", "Médecin - Biologie médicale (SM)"),
    structure=HOSPITAL_LABORATORY,
    mailbox="sarah.orme@ch-exemple.mssante.fr",
)
FAMILY_DOCTOR = Professional(
    rpps="10999900060",
    family="PEUPLIER",
    given="Bruno",
    title="DR",
    specialty=("G15_10/SM26", "Médecin - Qualifié en Médecine Générale (SM)"),
    structure=PRACTICE,
    mailbox="bruno.peuplier@medecin-exemple.mssante.fr",
)
UNKNOWN_DOCTOR = Professional(
    rpps="10999900078",
    family="ABSENT",
    given="Noé",
    title="DR",
    specialty=("G15_10/SM26", "Médecin - Qualifié en Médecine Générale (SM)"),
    structure=PRACTICE,
    mailbox="inconnu.absent@medecin-exemple.mssante.fr",
)
"""Has an address that the operator does not know: by convention of the samples, its local part begins by `inconnu`."""

PHARMACY_MAILBOX = "contact@pharmacie-exemple.mssante.fr"


def _patient(
    ipp: str, m13: str, family: str, givens: str, birth_date: str, sex: str, *, qualified: bool = True
) -> Person:
    return Person(
        ipp=ipp,
        m13=m13,
        family=family,
        first_given=givens.split()[0],
        givens=givens,
        birth_date=birth_date,
        sex=sex,
        birth_place=m13[5:10],
        birth_city="EXEMPLE-VILLE",
        address=Address("7", "Impasse des Essais", "75099", "EXEMPLE-VILLE"),
        account=f"26{ipp[-5:]}",
        qualified=qualified,
    )


DOMINIQUE = Person(
    ipp="8800123",
    m13="2790351215189",
    family="PAT-TROIS",
    first_given="DOMINIQUE",
    givens="DOMINIQUE MARIE-LOUISE",
    birth_date="19790328",
    sex="F",
    birth_place="51215",
    birth_city="DOMPREMY",
    address=Address("28", "Avenue des Essais", "75099", "EXEMPLE-VILLE"),
    account="2600123",
)
PAUL = _patient("8800201", "1510275990011", "DEMO-ERABLE", "PAUL HENRI", "19510214", "M")
JEANNE = _patient("8800202", "2870969990024", "DEMO-BOULEAU", "JEANNE", "19870903", "F")
NO_DMP = _patient("8800203", "1640431990037", "DEMO-SANSDMP", "LUC", "19640411", "M")
CLOSED_DMP = _patient("8800204", "2721144990043", "DEMO-FERME", "ANNE LISE", "19721120", "F")
OPPOSED = _patient("8800205", "1800659990052", "DEMO-OPPOSE", "MARC", "19800607", "M")
PROVISIONAL = _patient("8800206", "2950833990069", "DEMO-PROVISOIRE", "LEA", "19950818", "F", qualified=False)
MINOR = _patient("8800207", "1110135990075", "DEMO-MINEUR", "TOM", "20110122", "M")

PATIENTS = (DOMINIQUE, PAUL, JEANNE, NO_DMP, CLOSED_DMP, OPPOSED, PROVISIONAL, MINOR)

MAILBOXES = (
    FAMILY_DOCTOR.mailbox,
    PHARMACY_MAILBOX,
    *(person.mailbox for person in PATIENTS),
)
"""The mailboxes that the operator must know for the samples to be delivered."""

DMP_STATES = dict.fromkeys(PATIENTS, "active") | {NO_DMP: "absent", CLOSED_DMP: "closed"}
"""What the DMP must answer for each patient (words of the sandbox)."""
