"""Messages and documents in files: what a rule author explains or compares without any store."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pfi.engine.interpretation import Interpretation, ProfileFor, interpret, interpret_cda
from pfi.engine.patientkeys import ins_keys, local_keys, patient_keys
from pfi.engine.settings import Settings
from pfi.identity.history import combine, fold
from pfi.identity.ins import is_test
from pfi.model.adt import PatientEvent
from pfi.model.patient import Patient, PatientState
from pfi.model.profile import Environment, SenderProfile
from pfi.model.submission import MessageHeader

_HEAD_BYTES = 4096
_NO_MESSAGE = MessageHeader("", "", "", "", "CDA", "", "", "", "", "", "")


def is_cda(raw: bytes) -> bool:
    """A file whose first character is `<` is XML, hence a document and not a message."""
    return raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def read_file(raw: bytes, profile_for: ProfileFor, now: datetime, *, follow_ins: bool) -> Interpretation:
    """Reads a message or a bare CDA. `follow_ins`: an INS of test makes an environment of test, for want of a
    configuration that says which one this is."""
    if is_cda(raw):
        interpretation = interpret_cda(raw, profile_for(_NO_MESSAGE) or SenderProfile(), now)
    else:
        interpretation = interpret(raw, profile_for, now)
    if follow_ins and _carries_test_ins(interpretation):
        return replace(interpretation, profile=replace(interpretation.profile, environment=Environment.TEST))
    return interpretation


def _carries_test_ins(interpretation: Interpretation) -> bool:
    submission = interpretation.submission
    if submission is None:
        return False
    patients = (submission.patient, *(document.header.patient for document in submission.documents))
    return any(patient.ins is not None and is_test(patient.ins) for patient in patients)


def event_keys(event: PatientEvent) -> tuple[str, ...]:
    """The keys of the patients that an ADT message is about, the merged ones included."""
    return (*patient_keys(event.patient), *ins_keys(event.prior_ins), *local_keys(event.prior_identifiers))


@dataclass(slots=True)
class _Record:
    """What was told of one local identity, or of an INS without any: `names` make it this identity, `keys` find it."""

    names: set[str]
    keys: set[str]
    events: list[PatientEvent]


class PatientEvents:
    """What ADT messages say of patients, in memory: enough for a folder of samples."""

    def __init__(self) -> None:
        self._records: list[_Record] = []

    def tell(self, event: PatientEvent) -> None:
        """Keeps what a message says, in whatever order messages come."""
        local = {*local_keys(event.patient.identifiers), *local_keys(event.prior_identifiers)}
        record = _Record(local or set(event_keys(event)), set(event_keys(event)), [event])
        for other in [each for each in self._records if each.names & record.names]:
            self._records.remove(other)
            record = _Record(other.names | record.names, other.keys | record.keys, [*other.events, *record.events])
        self._records.append(record)

    def of(self, patient: Patient) -> PatientState | None:
        """What is known of a document's patient: by its local identifiers, else by its INS."""
        local, every = set(local_keys(patient.identifiers)), set(patient_keys(patient))
        found = [each for each in self._records if each.keys & local]
        found = found or [each for each in self._records if each.keys & every]
        return combine([fold(each.events) for each in found]) if found else None


@dataclass(frozen=True, slots=True)
class Specimen:
    """One file: `name` is its path within the folder."""

    name: str
    interpretation: Interpretation
    state: PatientState | None


class Folder:
    """The files of a folder and of those in it, in the order of their names; ADT messages among them are applied
    first. One file is in memory at a time."""

    def __init__(self, path: Path, settings: Settings, *, follow_ins: bool) -> None:
        self._path = path
        self._settings = settings
        self._follow_ins = follow_ins

    def read(self, now: datetime) -> Iterator[Specimen]:
        """Every file that is not an ADT message. Raises OSError."""
        told = PatientEvents()
        others = []
        for path in self._files():
            interpretation = self._interpret(path, now) if _may_be_adt(path) else None
            if interpretation is not None and interpretation.event is not None:
                told.tell(interpretation.event)
            elif interpretation is None or interpretation.header is None or interpretation.header.message_code != "ADT":
                others.append(path)
        for path in others:
            interpretation = self._interpret(path, now)
            submission = interpretation.submission
            state = told.of(submission.patient) if submission else None
            yield Specimen(path.relative_to(self._path).as_posix(), interpretation, state)

    def _files(self) -> list[Path]:
        return sorted(
            path
            for path in self._path.rglob("*")
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(self._path).parts)
        )

    def _interpret(self, path: Path, now: datetime) -> Interpretation:
        return read_file(path.read_bytes(), self._settings.profile_of, now, follow_ins=self._follow_ins)


def _may_be_adt(path: Path) -> bool:
    """MSH names ADT somewhere: only such files are worth reading twice."""
    with path.open("rb") as file:
        return b"ADT" in file.read(_HEAD_BYTES).partition(b"\r")[0]
