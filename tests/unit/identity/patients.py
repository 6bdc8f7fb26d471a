"""Patients for these tests: the public test identity of the ANS and variations of it."""

from datetime import UTC, datetime, timedelta

from pfi.model.adt import PatientEvent
from pfi.model.patient import Identifier, Ins, Patient, Traits
from pfi.model.profile import Environment, Pid32, SenderProfile
from pfi.model.submission import MessageHeader, Stay

REAL_OID = "1.2.250.1.213.1.4.8"
NIA_OID = "1.2.250.1.213.1.4.9"
TEST_OID = "1.2.250.1.213.1.4.10"
DEMONSTRATION_OID = "1.2.250.1.213.1.4.11"

INS = Ins("279035121518989", TEST_OID)
OTHER_INS = Ins("146026322000196", TEST_OID)
TRAITS = Traits(
    birth_name="PAT-TROIS",
    first_given_name="DOMINIQUE",
    given_names="DOMINIQUE MARIE-LOUISE",
    birth_date="19790328",
    sex="F",
    birth_place="51215",
)
IPP = Identifier("8800123", "1.2.250.1.999.1.1", "CH-DEMO", "PI")

TEST = SenderProfile(environment=Environment.TEST)
STRICT = SenderProfile(environment=Environment.TEST, pid32=Pid32.STRICT)
PRODUCTION = SenderProfile(environment=Environment.PRODUCTION)

HEADER = MessageHeader("GAM", "CH", "PFI", "CH", "ADT", "A31", "ADT_A05", "1", "P", "2.5", "UNICODE UTF-8")
START = datetime(2026, 3, 6, 9, 0, tzinfo=UTC)


def patient(
    *reliability: str,
    ins: Ins | None = INS,
    traits: Traits = TRAITS,
    identifiers: tuple[Identifier, ...] = (),
    other_ins: tuple[Ins, ...] = (),
) -> Patient:
    return Patient(ins=ins, traits=traits, identifiers=identifiers, reliability=reliability, other_ins=other_ins)


def moment(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def event(
    minutes: int, who: Patient, *, withdraws_ins: bool = False, birth_date_corrected: bool = False
) -> PatientEvent:
    return PatientEvent(
        message=HEADER,
        trigger="A31",
        occurred_at=moment(minutes),
        patient=who,
        stay=Stay(),
        withdraws_ins=withdraws_ins,
        birth_date_corrected=birth_date_corrected,
    )
