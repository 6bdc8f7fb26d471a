"""Invented submissions about the national test identity: what the tests of rule files are run on."""

from dataclasses import dataclass
from datetime import UTC, datetime, time

from pfi.model.decision import Channel
from pfi.model.document import CdaHeader, CodedValue, Document, DocumentId, Level, Participant
from pfi.model.parties import Author, Establishment, Organization, Person, Recipient, RecipientKind
from pfi.model.patient import Follower, IdentityStatus, Ins, Patient, PatientState, Traits
from pfi.model.profile import SenderProfile
from pfi.model.submission import MessageHeader, Orders, Stay, Submission
from pfi.routing.rulefile import Given, GivenRecipient
from pfi.standards.hl7v2.timestamp import NATIONAL_ZONE

TEST_INS = Ins("279035121518989", "1.2.250.1.213.1.4.10")
_AUTHOR = Author(person=Person(identifier="899700000001"))


@dataclass(frozen=True, slots=True)
class AssumedIdentity:
    """The conclusion of an identity assessment that a test takes for granted."""

    status: IdentityStatus
    code: str = ""


@dataclass(frozen=True, slots=True)
class Specimen:
    """All the arguments of `decide`, but the rules."""

    submission: Submission
    state: PatientState
    identity: AssumedIdentity
    profile: SenderProfile
    now: datetime
    released: frozenset[Channel] = frozenset()


def specimen(given: Given) -> Specimen:
    """Builds what a test describes. The day of decision is the document's own, in the time of the hospital."""
    qualified = given.identity is not IdentityStatus.NOT_QUALIFIED
    ins_in_cda = qualified if given.ins_in_cda is None else given.ins_in_cda
    ins_in_message = qualified if given.ins_in_message is None else given.ins_in_message
    traits = Traits("PAT-TROIS", "DOMINIQUE", "DOMINIQUE", given.birth_date, "F", "51215")
    submission = Submission(
        message=MessageHeader("TEST", "", "PFI", "", "ORU", "R01", "ORU_R01", "1", "D", "2.5", "UNICODE UTF-8"),
        request=given.request,
        patient=Patient(ins=TEST_INS if ins_in_message else None, traits=traits, reliability=given.reliability),
        stay=Stay(
            patient_class=given.patient_class,
            unit=given.unit,
            discharged_at=f"{given.discharged:%Y%m%d}" if given.discharged else "",
        ),
        orders=Orders(**given.flags.model_dump()),
        documents=(Document(b"", _header(given, Patient(ins=TEST_INS if ins_in_cda else None, traits=traits))),),
        recipients=(
            *(_professional(number) for number in range(given.professionals)),
            *(_named(recipient) for recipient in given.recipients),
        ),
        tags=frozenset(str(tag) for tag in given.tags),
        establishment=Establishment(**given.establishment.model_dump()),
    )
    return Specimen(
        submission=submission,
        state=PatientState(
            dmp_status=given.dmp_status,
            feeding=given.feeding,
            consultation=given.consultation,
            retired_ins=(TEST_INS,) if given.ins_retired else (),
            care_team=tuple(Follower(each.role, each.identifier) for each in given.care_team),
        ),
        identity=AssumedIdentity(given.identity),
        profile=SenderProfile(
            name=given.sender,
            environment=given.environment,
            policy=given.policy,
            information_missing=given.information_missing,
            opposed=given.opposed,
            no_dmp=given.no_dmp,
        ),
        now=datetime.combine(given.date, time.fromisoformat(given.at), NATIONAL_ZONE).astimezone(UTC),
        released=given.released,
    )


def _person(number: int) -> Person:
    return Person(identifier=f"8997000001{number:02d}")


def _professional(number: int) -> Recipient:
    return Recipient(RecipientKind.PROFESSIONAL, f"professionnel{number}@test.mssante.fr", _person(number))


def _named(given: GivenRecipient) -> Recipient:
    if given.kind is RecipientKind.PROFESSIONAL:
        person = Person(given.identifier) if given.identifier else None
        return Recipient(given.kind, given.address, person, identifier=given.identifier)
    organization = Organization(identifier=given.identifier) if given.identifier else None
    return Recipient(given.kind, given.address, organization=organization, identifier=given.identifier)


def _header(given: Given, patient: Patient) -> CdaHeader:
    participants = []
    if given.prescriber:
        participants.append(Participant("REF", party=Author(person=_person(0))))
    if given.author_is_mt:
        participants.append(Participant("INF", "PCP", _AUTHOR))
    return CdaHeader(
        document_id=DocumentId("2.25.1"),
        code=CodedValue(given.type),
        title="",
        effective_time=f"{given.date:%Y%m%d}120000+0100",
        confidentiality=CodedValue(given.confidentiality),
        language="fr-FR",
        set_id=None,
        version_number=None,
        template_ids=(),
        patient=patient,
        authors=(_AUTHOR,),
        author_times=(),
        custodian=None,
        information_recipients=(),
        legal_authenticator=None,
        participants=tuple(participants),
        order_ids=(),
        accession_numbers=(),
        service_events=(),
        replaced=None,
        encounter_code=CodedValue(given.encounter) if given.encounter else None,
        encounter_start="",
        encounter_stop="",
        facility=None,
        level=Level.N1,
        body_media_type="application/pdf",
    )
