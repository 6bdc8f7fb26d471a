"""What the legal table needs to know of a document, read from the traffic (obligations digest §2.3)."""

from dataclasses import dataclass
from datetime import date

from pfi.model.document import CdaHeader, Document
from pfi.model.parties import Person, RecipientKind, rpps
from pfi.model.patient import Follower
from pfi.model.submission import Submission
from pfi.routing.rulefile import Setting, SettingMappings, Tag


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """Facts of one document. `date` is the CDA `effectiveTime`, `None` when it cannot be read."""

    type_code: str
    date: date | None
    setting_of_production: Setting
    setting_of_acts: Setting
    constitutional_genetics: bool
    entente_prealable: bool
    addressed_to_ps: bool
    author_is_mt: bool
    dematerialised: bool = True
    admission_without_consent: bool = False


def read_facts(
    submission: Submission,
    document: Document,
    tags: frozenset[str],
    mappings: SettingMappings,
    genetics_types: frozenset[str],
    care_team: tuple[Follower, ...] = (),
) -> DocumentFacts:
    """Facts of one document of a submission. `tags` are those of the sender and of the site together; `care_team` is
    what ADT told of those who follow the patient."""
    header = document.header
    return DocumentFacts(
        type_code=header.code.code,
        date=day_of(header.effective_time),
        setting_of_production=setting_of_production(submission.stay.patient_class, header, mappings),
        setting_of_acts=Setting.IN_STAY if Tag.ACTS_IN_STAY in tags else mappings.acts,
        constitutional_genetics=Tag.CONSTITUTIONAL_GENETICS in tags or header.code.code in genetics_types,
        entente_prealable=Tag.ENTENTE_PREALABLE in tags,
        addressed_to_ps=any(
            recipient.kind is not RecipientKind.PATIENT
            for recipient in (*submission.recipients, *header.information_recipients)
        ),
        author_is_mt=_author_is_mt(header, care_team),
        admission_without_consent=Tag.ADMISSION_WITHOUT_CONSENT in tags,
    )


def setting_of_production(patient_class: str, header: CdaHeader, mappings: SettingMappings) -> Setting:
    """The CDA's encounter when its code is mapped, else PV1-2; never guessed."""
    if header.encounter_code is not None:
        setting = mappings.encounter.get(header.encounter_code.code)
        if setting is not None:
            return setting
    return mappings.patient_class.get(patient_class, Setting.UNKNOWN)


def day_of(timestamp: str) -> date | None:
    """Day of an HL7 timestamp as written (no zone conversion). A year or a month alone counts from its first day."""
    digits = timestamp.strip()[:8]
    for sign in "+-":
        digits = digits.partition(sign)[0]
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in (4, 6, 8):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6] or 1), int(digits[6:8] or 1))
    except ValueError:
        return None


def is_minor(birth_date: str, today: date, age_of_majority: int) -> bool | None:
    """Whether a patient is under age on a day; `None` when the birth date does not tell.

    An incomplete or lunar birth date (month over 12, day over the month's length) counts as the latest day that it
    allows: a doubt protects the minor.
    """
    digits = birth_date.strip()[:8]
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in (4, 6, 8) or digits[:4] == "0000":
        return None
    year, month, day = int(digits[:4]), int(digits[4:6] or 0), int(digits[6:8] or 0)
    if not 1 <= month <= 12:
        month, day = 12, 31
    elif not 1 <= day <= 31:
        day = 31
    return (
        (today.month, today.day) < (month, day)
        if today.year - year == age_of_majority
        else (today.year - year < age_of_majority)
    )


def same_person(one: Person | None, other: Person | None) -> bool:
    """Same professional, by national identifier; `8` + RPPS and RPPS alone are the same."""
    if one is None or other is None:
        return False
    return bool(one.identifier.strip()) and rpps(one.identifier) == rpps(other.identifier)


def declared_physicians(header: CdaHeader) -> tuple[Person, ...]:
    """The médecin traitant of a document: participant `INF` with functionCode `PCP`."""
    return tuple(
        participant.party.person
        for participant in header.participants
        if participant.type_code == "INF"
        and participant.function_code == "PCP"
        and participant.party is not None
        and participant.party.person is not None
    )


def _author_is_mt(header: CdaHeader, care_team: tuple[Follower, ...]) -> bool:
    """The CDA author is the médecin traitant, says the document or the ADT feed (ROL `ODRP`)."""
    referring = [*declared_physicians(header), *(Person(each.identifier) for each in care_team if each.role == "ODRP")]
    return any(same_person(author.person, person) for author in header.authors for person in referring)
