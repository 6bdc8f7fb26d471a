"""The list of the samples: file, what it shows, what is expected of each channel, bytes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from . import adt, broken, documents, pages, world
from .clinical_document import ClinicalDocument
from .request import DPI, RIS, SGL, Flags, Kind, Request, Stay, encode, segments, write_request
from .world import Person

IN_STAY = Stay("I", "5500041", "20260301090000", "20260305110000")
EXTERNAL_VISIT = Stay("O", "5500042", "20260304140000", "20260304143000")
LAB_VISIT = Stay("O", "5500043", "20260304081000")


@dataclass(frozen=True, slots=True)
class Sample:
    """`ack` is MSA-1 (with ERR-3 when negative); `dmp`, `pro` and `cit` say what each channel does, `-` = nothing.

    Expectations hold for the default profile with `ins.environment: test`.
    """

    file: str
    shows: str
    ack: str
    dmp: str
    pro: str
    cit: str
    make: Callable[[], bytes]


def all_samples() -> tuple[Sample, ...]:
    """In the order of the README."""
    return (
        *requests(),
        *identity_cases(),
        *life_of_a_document(),
        *visibility_cases(),
        *adt_messages(),
        *bad_messages(),
    )


def _sample(file: str, shows: str, outcome: tuple[str, str, str, str], request: Request) -> Sample:
    return Sample(f"messages/{file}.hl7", shows, *outcome, lambda: write_request(request))


# One request of each kind --------------------------------------------------------------------------------------------


def discharge(
    control_id: str, *, key: str = "", patient: Person = world.DOMINIQUE, with_matricule: bool = True
) -> Request:
    """A discharge letter of the DPI; `key` seeds the identifiers of the document (the control id by default)."""
    document = documents.discharge_letter(key or control_id, patient=patient)
    return Request(
        DPI,
        control_id,
        (replace(document, with_matricule=with_matricule),),
        replace(IN_STAY, visit=f"55{patient.account[-5:]}"),
        world.CARDIOLOGIST,
        sent_at="20260305110600",
    )


def biology(control_id: str, *documents_sent: ClinicalDocument) -> Request:
    """A biology report of the laboratory, out of stay."""
    return Request(
        SGL,
        control_id,
        documents_sent,
        LAB_VISIT,
        world.BIOLOGIST,
        sent_at="20260304163100",
        reply_to="secretariat@labo-exemple.mssante.fr",
    )


def from_ris(control_id: str, document: ClinicalDocument) -> Request:
    return Request(RIS, control_id, (document,), EXTERNAL_VISIT, world.RADIOLOGIST)


def from_dpi(control_id: str, document: ClinicalDocument, stay: Stay = EXTERNAL_VISIT) -> Request:
    return Request(DPI, control_id, (document,), stay, document.author)


def first_letter() -> Request:
    """The first version of the discharge letter whose life the samples follow."""
    return discharge("DPI-0001", key="lettre-de-liaison").but(
        body_professional="Bonjour,\nVeuillez trouver la lettre de liaison de votre patiente.\nCordialement.",
        body_patient="Bonjour,\nVotre lettre de liaison est jointe à ce message.",
    )


_ALL = ("AA", "send", "send", "send")


def requests() -> tuple[Sample, ...]:
    """Every kind of document, healthy."""
    report = documents.biology_report("biologie-hors-sejour")
    return (
        _sample(
            "lettre-de-liaison-en-sejour",
            "Lettre de liaison de sortie (11490-0) in stay, N3, MDM^T02 with two mail bodies",
            _ALL,
            first_letter(),
        ),
        _sample(
            "biologie-hors-sejour",
            "CR d'examens biologiques (11502-2) out of stay, N3 with its PDF copy, ORU^R01",
            _ALL,
            biology("SGL-0001", report).but(flags=Flags(ack_lecture_mss=True)),
        ),
        _sample(
            "biologie-en-sejour",
            "The same kind of report in stay: the patient is not due, and not ordered",
            ("AA", "send", "send", "-"),
            biology(
                "SGL-0002", documents.biology_report("biologie-en-sejour", patient=world.DOMINIQUE, in_stay=True)
            ).but(stay=IN_STAY, author=world.HOSPITAL_BIOLOGIST, flags=Flags(dest_mss_pat=False)),
        ),
        _sample(
            "biologie-n1-et-n3",
            "One report twice in one ORU: N1 (PDF) then N3, one lot and one mail",
            _ALL,
            biology("SGL-0003", documents.biology_level_1("biologie-n1"), documents.biology_report("biologie-n3")),
        ),
        _sample(
            "imagerie-hors-sejour",
            "CR d'imagerie médicale (18748-4) out of stay, N1 (PDF), MDM^T02",
            _ALL,
            from_ris("RIS-0001", documents.imaging_report("imagerie-hors-sejour")),
        ),
        _sample(
            "compte-rendu-operatoire-en-sejour",
            "CR opératoire (34874-8) in stay, N1: due on the three channels although in stay",
            _ALL,
            from_dpi(
                "DPI-0002",
                documents.level_1(
                    "operatoire",
                    documents.OPERATION,
                    pages.OPERATION,
                    patient=world.DOMINIQUE,
                    author=world.SURGEON,
                    encounter=documents.STAY_DATES,
                ),
                IN_STAY,
            ),
        ),
        _sample(
            "prescription-hors-sejour",
            "Prescription de produits de santé (57833-6) out of stay, N1, to the pharmacy the patient chose (PRT)",
            _ALL,
            from_dpi(
                "DPI-0003",
                documents.level_1(
                    "ordonnance",
                    documents.PRESCRIPTION,
                    pages.PRESCRIPTION,
                    patient=world.JEANNE,
                    author=world.CARDIOLOGIST,
                    addressee=None,
                ),
            ).but(recipients=(), pharmacy=True),
        ),
        _sample(
            "lettre-de-consultation-hors-sejour",
            "Lettre d'adressage (96349-6) to a colleague after a consultation, N1; the patient may not answer (FIN)",
            _ALL,
            from_dpi(
                "DPI-0004",
                documents.level_1(
                    "lettre-de-consultation",
                    documents.REFERRAL,
                    pages.LETTER,
                    patient=world.JEANNE,
                    author=world.CARDIOLOGIST,
                ),
            ).but(flags=Flags(close_exchange=True)),
        ),
        _sample(
            "demande-imagerie-hors-sejour",
            "Demande d'actes d'imagerie (55115-0) out of stay, N1 in plain text",
            _ALL,
            from_dpi("DPI-0005", documents.imaging_order("demande-imagerie")),
        ),
        _sample(
            "synthese-medicale",
            "Synthèse médicale (60591-5) written by the family doctor, N1: DMP only",
            ("AA", "send", "-", "-"),
            from_dpi(
                "DPI-0006",
                documents.level_1(
                    "synthese",
                    documents.SYNTHESIS,
                    pages.SYNTHESIS,
                    patient=world.DOMINIQUE,
                    author=world.FAMILY_DOCTOR,
                    encounter=replace(documents.VISIT_DATES, code=documents.AMBULATORY),
                    addressee=None,
                ),
            ).but(flags=Flags(dest_mss_ps=False, dest_mss_pat=False)),
        ),
        _sample(
            "lettre-de-liaison-8859-15",
            "A discharge letter in ISO 8859-15 (MSH-18 `8859/15`): the CDA inside stays UTF-8",
            _ALL,
            discharge("DPI-0007", key="lettre-8859-15").but(charset="8859/15"),
        ),
    )


# Identity and record -------------------------------------------------------------------------------------------------


def identity_cases() -> tuple[Sample, ...]:
    """Who the patient is, and whether a DMP or a mailbox exists."""
    return (
        _sample(
            "identite-provisoire",
            "INS not qualified (PID-32 PROV, no matricule in PID-3 nor in the CDA); "
            "the DMP waits for a qualified identity",
            ("AA", "hold INS_NOT_QUALIFIED", "send (X-MSS-INS: N)", "deny"),
            discharge("DPI-0101", patient=world.PROVISIONAL, with_matricule=False).but(
                reliability="PROV", pid_with_ins=False
            ),
        ),
        _sample(
            "identite-provisoire-matricule-dans-le-cda",
            "INS not qualified in the PID but the CDA carries the matricule: nothing may leave",
            ("AA", "hold INS_IN_CDA_NOT_QUALIFIED", "hold", "hold"),
            discharge("DPI-0102", patient=world.PROVISIONAL).but(reliability="PROV", pid_with_ins=False),
        ),
        _sample(
            "mauvais-patient",
            "PID of one patient, CDA of another one",
            ("AE 207", "-", "-", "-"),
            discharge("DPI-0103", patient=world.PAUL).but(patient=world.DOMINIQUE),
        ),
        _sample(
            "patient-sans-dmp",
            f"Patient without DMP (INS {world.NO_DMP.matricule}): the DMP answers that it does not exist",
            ("AA", "void DMP_ABSENT (told by the DMP)", "send", "send"),
            discharge("DPI-0104", patient=world.NO_DMP),
        ),
        _sample(
            "patient-dmp-ferme",
            f"Patient whose DMP is closed (INS {world.CLOSED_DMP.matricule})",
            ("AA", "void DMP_CLOSED (told by the DMP)", "send", "send"),
            discharge("DPI-0105", patient=world.CLOSED_DMP),
        ),
        _sample(
            "patient-oppose",
            "Patient opposed to the feeding of the DMP: send `adt/a31-opposition` before",
            ("AA", "deny DMP_OPPOSED", "send", "send"),
            discharge("DPI-0106", patient=world.OPPOSED),
        ),
        _sample(
            "adresse-inconnue",
            f"A recipient whom the operator does not know ({world.UNKNOWN_DOCTOR.mailbox}), beside one that it knows",
            ("AA", "send", "send; refused 550 for one", "send"),
            discharge("DPI-0107").but(recipients=(world.UNKNOWN_DOCTOR, world.FAMILY_DOCTOR)),
        ),
        _sample(
            "mineur-connexion-secrete",
            "A minor who asked for secrecy: secret connection, hidden from the legal representatives, no mail to him",
            ("AA", "send, INVISIBLE_REPRESENTANTS_LEGAUX", "send", "-"),
            discharge("DPI-0108", patient=world.MINOR).but(
                flags=Flags(connexion_secrete=True, invisible_rep_legaux=True, dest_mss_pat=False)
            ),
        ),
    )


# Replacement, deletion, duplicate ------------------------------------------------------------------------------------


def life_of_a_document() -> tuple[Sample, ...]:
    """What follows a first transmission; send the first one before."""
    first = discharge("DPI-0001", key="lettre-de-liaison")
    second = replace(
        documents.discharge_letter(
            "lettre-de-liaison", summary="Bilan coronarien rassurant. Dose du soir corrigée après relecture."
        ),
        version=2,
        replaces_version=1,
        written_at="20260306090000+0100",
    )
    report = documents.biology_report("biologie-hors-sejour", version=2, corrected="3.100")
    return (
        _sample(
            "doublon-lettre-de-liaison",
            "Byte for byte `lettre-de-liaison-en-sejour`: same answer, nothing sent twice",
            ("AA (the first one)", "-", "-", "-"),
            first_letter(),
        ),
        _sample(
            "meme-identifiant-autre-contenu",
            "MSH-10 of `imagerie-hors-sejour` with another document: a new message, with a warning",
            _ALL,
            discharge("RIS-0001", key="meme-identifiant").but(sender=RIS),
        ),
        _sample(
            "remplacement-lettre-de-liaison",
            "MDM^T10: version 2 of `lettre-de-liaison-en-sejour` (relatedDocument RPLC)",
            ("AA", "send, RPLC", "send", "send"),
            first.but(control_id="DPI-0201", documents=(second,), kind=Kind.REPLACE, sent_at="20260306090100"),
        ),
        _sample(
            "remplacement-biologie",
            "ORU^R01 with OBX-11 C and ORC-1 RO: version 2 of `biologie-hors-sejour`",
            ("AA", "send, RPLC", "send", "send"),
            biology("SGL-0201", report).but(kind=Kind.REPLACE, sent_at="20260305093100"),
        ),
        _sample(
            "suppression-lettre-de-liaison",
            "MDM^T04: deletion of version 2 of the discharge letter",
            ("AA", "send, deletion", "send", "send"),
            first.but(control_id="DPI-0202", documents=(second,), kind=Kind.DELETE, sent_at="20260306150000"),
        ),
    )


# Visibility ----------------------------------------------------------------------------------------------------------


def visibility_cases() -> tuple[Sample, ...]:
    """Flags that hide."""
    return (
        _sample(
            "invisible-au-patient",
            "INVISIBLE_PATIENT = Y (consultation d'annonce): DMP hidden from the patient, no mail to the patient",
            ("AA", "send, INVISIBLE_PATIENT", "send", "-"),
            discharge("DPI-0301").but(flags=Flags(invisible_patient=True, dest_mss_pat=False)),
        ),
        _sample(
            "masque-aux-professionnels",
            "MASQUE_PS = Y: DMP hidden from professionals, mail to the patient only",
            ("AA", "send, MASQUE_PS", "-", "send"),
            discharge("DPI-0302").but(flags=Flags(masque_ps=True, dest_mss_ps=False)),
        ),
        _sample(
            "indicateurs-incoherents",
            "INVISIBLE_PATIENT = Y together with DESTMSSANTEPAT = Y",
            ("AE 207", "-", "-", "-"),
            discharge("DPI-0303").but(flags=Flags(invisible_patient=True)),
        ),
    )


# ADT and unusable messages -------------------------------------------------------------------------------------------


def adt_messages() -> tuple[Sample, ...]:
    """PAM.FR messages of the identity repository."""
    return tuple(
        Sample(f"adt/{event.file}.hl7", event.shows, "AA", "-", "-", "-", partial(_write_adt, event))
        for event in adt.EVENTS
    )


def _write_adt(event: adt.Event) -> bytes:
    return encode(adt.segments(event))


def bad_messages() -> tuple[Sample, ...]:
    """Messages that cannot be acted on: each gets a negative acknowledgment that says why."""
    return tuple(
        Sample(
            f"bad/{case.file}.hl7", case.shows, case.ack, *(("send" if case.sent else "-",) * 3), partial(_spoil, case)
        )
        for case in broken.CASES
    )


def _spoil(case: broken.Case) -> bytes:
    return case.spoil(segments(from_dpi(case.control_id, documents.imaging_order(case.control_id))))
