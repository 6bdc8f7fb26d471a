"""Answers of the DMP become outcomes by the error table (DMP digest §2.6)."""

import pytest

from connectors.dmp.answers import read_registry_response, read_reply
from connectors.dmp.redaction import redacted
from connectors.dmp.transport import Reply
from connectors.dmp.verdict import UNREADABLE_CODE, error_table
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.patient import Identifier, Ins, Patient, Traits
from pfi.standards.soap.envelope import SOAP, UNSPECIFIED, WSA
from tests.unit.dmp.given import PATIENT
from tests.unit.dmp.test_soap import fault
from tests.unit.xds.documents import INS_OID, MATRICULE

MESSAGE = "urn:uuid:1"
RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
STATUS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
SEVERITY = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:"


def envelope(body: str, relates_to: str = MESSAGE) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{SOAP}"><s:Header><a:RelatesTo xmlns:a="{WSA}">{relates_to}</a:RelatesTo></s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def response(status: str, *errors: tuple[str, str], context: str = "") -> str:
    full = status if ":" in status else STATUS + status
    listed = "".join(
        f'<r:RegistryError errorCode="{code}" codeContext="{context}" severity="{SEVERITY}{severity}"/>'
        for code, severity in errors
    )
    errors_list = f"<r:RegistryErrorList>{listed}</r:RegistryErrorList>"
    return f'<r:RegistryResponse xmlns:r="{RS}" status="{full}">{errors_list}</r:RegistryResponse>'


def fault_body(code: str, subcode: str = "", reason: str = "motif") -> str:
    inner = f"<s:Subcode><s:Value>d:{subcode}</s:Value></s:Subcode>" if subcode else ""
    return (
        f'<s:Fault xmlns:d="urn:d"><s:Code><s:Value>s:{code}</s:Value>{inner}</s:Code>'
        f'<s:Reason><s:Text xml:lang="fr">{reason}</s:Text></s:Reason></s:Fault>'
    )


def outcome(body: str, *, sent_before: bool = False) -> Outcome:
    answer = read_reply(Reply(200, "application/soap+xml", envelope(body)), MESSAGE, (PATIENT,))
    assert not isinstance(answer, Outcome)
    return read_registry_response(answer, (PATIENT,), sent_before=sent_before)


def reply(status: int, content: bytes = b"", retry_after: float | None = None) -> Outcome:
    found = read_reply(Reply(status, "text/plain", content, retry_after), MESSAGE, (PATIENT,))
    assert isinstance(found, Outcome)
    return found


def test_success_is_delivered() -> None:
    assert outcome(response("Success")) == Outcome(OutcomeKind.DELIVERED)


def test_success_with_warnings_is_delivered_and_keeps_them() -> None:
    found = outcome(response("Success", ("XDSExtraMetadataNotSaved", "Warning")))
    assert (found.kind, found.warnings) == (OutcomeKind.DELIVERED, ("XDSExtraMetadataNotSaved",))


TRANSIENT = "XDSRegistryNotAvailable XDSRegistryBusy XDSRepositoryBusy XDSRegistryOutOfResources \
    XDSRepositoryOutOfResources"
GENERIC = "XDSRegistryError XDSRepositoryError"
SECURITY = "DMPInvalidCertificate"
DOCUMENT = "XDSRegistryMetadataError XDSRepositoryMetadataError XDSMissingDocument XDSMissingDocumentMetadata \
    XDSRegistryDuplicateUniqueIdInMessage XDSRepositoryDuplicateUniqueIdInMessage XDSNonIdenticalHash \
    XDSNonIdenticalSize InvalidDocumentContent XDSPatientIdDoesNotMatch UnresolvedReferenceException \
    XDSRegistryDeprecatedDocumentError XDSMetadataUpdateError XDSMetadataUpdateOperationError \
    XDSMetadataVersionError XDSMetadataIdentifierError PartialReplaceContentNotProcessed \
    PartialFolderContentNotProcessed"
PATIENT_STATE = "XDSUnknownPatientId DMPClosed"
QUERY = "XDSUnknownStoredQuery XDSStoredQueryMissingParam XDSStoredQueryParamNumber XDSTooManyResults \
    XDSResultNotSinglePatient XDSDocumentUniqueIdError XDSUnknownRepositoryId XDSMissingHomeCommunityId"
UNKNOWN_CODES = "XDSNouvelleErreur DMPNouvelleErreur AutreChose"

AGAIN, NO, DONE = OutcomeKind.NOT_DELIVERED, OutcomeKind.REFUSED, OutcomeKind.DELIVERED
DIGEST = [
    # codes, outcome, stops the channel, tries at most, what the French text must say
    (TRANSIENT, AGAIN, False, None, "momentanément"),
    (GENERIC, AGAIN, False, 3, "examen manuel"),
    (SECURITY, AGAIN, True, None, "authentification"),
    (DOCUMENT, NO, False, None, "métadonnées"),
    (PATIENT_STATE, NO, False, None, "DMP actif"),
    (QUERY, NO, False, None, "recherche"),
    ("XDSDuplicateUniqueIdInRegistry", NO, False, None, "déjà dans le DMP"),
    (UNKNOWN_CODES, NO, False, None, "examen manuel"),
]
"""The error table of the DMP digest §2.6, written again. A generic error has two delayed retries."""


@pytest.mark.parametrize(
    ("code", "kind", "stop", "attempts", "says"),
    [(code, *expected) for codes, *expected in DIGEST for code in codes.split()],
)
@pytest.mark.parametrize("sent_before", [False, True])
def test_an_error_is_judged_by_its_class(
    code: str, kind: OutcomeKind, stop: bool, attempts: int | None, says: str, sent_before: bool
) -> None:
    found = outcome(response("Failure", (code, "Error")), sent_before=sent_before)
    if sent_before and code == "XDSDuplicateUniqueIdInRegistry":
        assert (found.kind, found.warnings) == (DONE, (code,))
        return
    assert (found.code, found.kind, found.stop_destination, found.max_attempts) == (code, kind, stop, attempts)
    assert says in found.text
    assert found.text.endswith(".")
    assert (found.retry_after or 0) >= (600 if code in GENERIC else 0)


@pytest.mark.parametrize("code", ["XDSExtraMetadataNotSaved", "XDSNouvelleRemarque"])
def test_a_warning_is_a_success_that_is_kept(code: str) -> None:
    assert outcome(response("Success", (code, "Warning"))) == Outcome(DONE, warnings=(code,))


def test_no_code_of_the_table_is_forgotten_or_invented() -> None:
    listed = {code for codes, *_ in DIGEST for code in codes.split()} - set(UNKNOWN_CODES.split())
    security = {
        "UnsupportedSecurityToken",
        "UnsupportedAlgorithm",
        "InvalidSecurity",
        "InvalidSecurityToken",
        "FailedAuthentication",
        "FailedCheck",
        "SecurityTokenUnavailable",
        "MessageExpired",
    }
    assert set(error_table().codes) == listed | security | {"204"}


@pytest.mark.parametrize(
    "names",
    [("XDSNonIdenticalHash",), ("XDSDuplicateUniqueIdInRegistry", "XDSNonIdenticalHash")],
)
def test_another_hash_is_a_fault_even_after_a_doubt(names: tuple[str, ...]) -> None:
    found = outcome(response("Failure", *((name, "Error") for name in names)), sent_before=True)
    assert (found.kind, found.code) == (NO, "XDSNonIdenticalHash")


def test_a_prefixed_error_code_is_understood() -> None:
    assert outcome(response("Failure", ("urn:x:XDSRegistryBusy", "Error"))).code == "XDSRegistryBusy"


def test_already_there_is_a_success_only_when_we_may_have_sent_it() -> None:
    body = response("Failure", ("XDSDuplicateUniqueIdInRegistry", "Error"))
    assert outcome(body).kind is OutcomeKind.REFUSED
    again = outcome(body, sent_before=True)
    assert (again.kind, again.warnings) == (OutcomeKind.DELIVERED, ("XDSDuplicateUniqueIdInRegistry",))


def test_the_gravest_of_several_errors_counts() -> None:
    body = response("Failure", ("XDSRegistryBusy", "Error"), ("XDSRegistryMetadataError", "Error"))
    found = outcome(body, sent_before=True)
    assert (found.code, found.kind) == ("XDSRegistryMetadataError", OutcomeKind.REFUSED)
    assert found.evidence["other_codes"] == "XDSRegistryBusy"


def test_partial_success_is_a_doubt() -> None:
    assert outcome(response("urn:ihe:iti:2007:ResponseStatusType:PartialSuccess")).kind is OutcomeKind.UNKNOWN


def test_a_failure_without_error_is_refused_for_a_human() -> None:
    assert outcome(response("Failure")).kind is OutcomeKind.REFUSED


@pytest.mark.parametrize("status", ["Unavailable", "urn:autre:statut", "urn:"])
def test_a_status_that_nobody_knows_is_a_doubt(status: str) -> None:
    assert outcome(response(status)).kind is OutcomeKind.UNKNOWN
    assert outcome(response(status, ("XDSRegistryMetadataError", "Error"))).kind is OutcomeKind.REFUSED


def test_an_answer_of_another_kind_is_a_doubt() -> None:
    assert outcome("<x/>").code == "DMP_ANSWER_UNREADABLE"
    assert outcome("").kind is OutcomeKind.UNKNOWN


def test_an_answer_to_another_message_is_a_doubt() -> None:
    content = envelope(response("Success"), relates_to="urn:uuid:2")
    found = read_reply(Reply(200, "", content), MESSAGE, (PATIENT,))
    assert isinstance(found, Outcome)
    assert (found.code, found.kind) == ("DMP_ANSWER_MISMATCH", OutcomeKind.UNKNOWN)


def test_a_fault_about_another_message_is_a_doubt() -> None:
    content = envelope(fault_body("Sender"), relates_to="urn:uuid:2")
    found = read_reply(Reply(500, "", content), MESSAGE, (PATIENT,))
    assert isinstance(found, Outcome)
    assert (found.code, found.kind) == ("DMP_ANSWER_MISMATCH", OutcomeKind.UNKNOWN)


@pytest.mark.parametrize("relates_to", ["", UNSPECIFIED, MESSAGE])
def test_a_fault_may_not_know_what_it_answers(relates_to: str) -> None:
    found = read_reply(Reply(500, "", envelope(fault_body("Sender"), relates_to=relates_to)), MESSAGE, (PATIENT,))
    assert isinstance(found, Outcome)
    assert (found.code, found.kind) == ("Sender", OutcomeKind.REFUSED)


def test_a_success_is_believed_only_when_it_says_what_it_answers() -> None:
    already = ("XDSDuplicateUniqueIdInRegistry", "Error")
    for body, kind in (
        (response("Success"), OutcomeKind.UNKNOWN),
        (response("Failure", already), OutcomeKind.UNKNOWN),
        (response("Failure", ("XDSRegistryMetadataError", "Error")), OutcomeKind.REFUSED),
    ):
        for nothing in ("", UNSPECIFIED):
            answer = read_reply(Reply(200, "", envelope(body, relates_to=nothing)), MESSAGE, (PATIENT,))
            assert not isinstance(answer, Outcome)
            assert read_registry_response(answer, (PATIENT,), sent_before=True).kind is kind


def test_a_success_that_lists_an_error_is_a_doubt() -> None:
    found = outcome(response("Success", ("XDSRegistryMetadataError", "Error"), ("XDSRegistryBusy", "Warning")))
    assert (found.kind, found.code, found.warnings) == (
        OutcomeKind.UNKNOWN,
        "XDSRegistryMetadataError",
        ("XDSRegistryBusy",),
    )


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_fault_speaks_louder_than_the_http_status(status: int) -> None:
    found = reply(status, fault("Sender", "DMPInvalidCertificate"))
    assert (found.code, found.kind, found.stop_destination) == (
        "DMPInvalidCertificate",
        OutcomeKind.NOT_DELIVERED,
        True,
    )


@pytest.mark.parametrize(
    ("code", "subcode", "kind", "seen"),
    [
        ("Receiver", "", OutcomeKind.UNKNOWN, "Receiver"),
        ("Sender", "", OutcomeKind.REFUSED, "Sender"),
        ("Sender", "DMPSomethingNew", OutcomeKind.REFUSED, "DMPSomethingNew"),
        ("Sender", "FailedAuthentication", OutcomeKind.NOT_DELIVERED, "FailedAuthentication"),
        ("MustUnderstand", "", OutcomeKind.NOT_DELIVERED, "MustUnderstand"),
    ],
)
def test_a_fault_is_judged_by_its_subcode(code: str, subcode: str, kind: OutcomeKind, seen: str) -> None:
    found = reply(500, fault(code, subcode))
    assert (found.code, found.kind) == (seen, kind)


@pytest.mark.parametrize(
    ("status", "kind", "stop"),
    [
        (400, OutcomeKind.REFUSED, False),
        (401, OutcomeKind.NOT_DELIVERED, True),
        (403, OutcomeKind.NOT_DELIVERED, True),
        (404, OutcomeKind.NOT_DELIVERED, True),
        (302, OutcomeKind.NOT_DELIVERED, True),
        (413, OutcomeKind.REFUSED, False),
        (418, OutcomeKind.REFUSED, False),
        (429, OutcomeKind.NOT_DELIVERED, False),
        (500, OutcomeKind.UNKNOWN, False),
        (501, OutcomeKind.UNKNOWN, False),
        (502, OutcomeKind.UNKNOWN, False),
        (503, OutcomeKind.NOT_DELIVERED, False),
        (504, OutcomeKind.UNKNOWN, False),
    ],
)
@pytest.mark.parametrize("content", [b"", b"<html>erreur</html>"])
def test_an_http_error_is_judged_by_its_status(status: int, kind: OutcomeKind, stop: bool, content: bytes) -> None:
    found = reply(status, content)
    assert (found.code, found.kind, found.stop_destination) == (f"HTTP_{status}", kind, stop)


def test_retry_after_is_kept() -> None:
    assert reply(503, retry_after=7.0).retry_after == 7.0


@pytest.mark.parametrize("content", [b"", b"<html/>"])
def test_a_success_that_cannot_be_read_is_a_doubt(content: bytes) -> None:
    assert reply(200, content).kind is OutcomeKind.UNKNOWN


def test_a_success_body_under_an_error_status_is_not_believed() -> None:
    assert reply(503, envelope(response("Success"))).kind is OutcomeKind.NOT_DELIVERED


QUOTED = Patient(
    ins=Ins("185052A12345645", INS_OID),
    identifiers=(Identifier("IPP-00421"),),
    account=Identifier("26-77A"),
    traits=Traits(
        birth_name="LE BÉNÊT-D'HŒUVRE",
        used_name="ÇAKIR",
        first_given_name="ZOÉ",
        given_names="ZOÉ ANNE-LYSE LÔ",
        birth_date="19850501",
        birth_place="2A004",
    ),
)


@pytest.mark.parametrize(
    "trait",
    [
        "LE BÉNÊT-D'HŒUVRE",
        "le benet d'hoeuvre",
        "Le Benet D Hoeuvre",
        "LEBENETDHOEUVRE",
        "Benêt",
        "Hœuvre",
        "be\u0301ne\u0302t",
        "Çakır",
        "cakir",
        "CAKIR",
        "zoé",
        "Zoe",
        "Anne-Lyse",
        "ANNE LYSE",
        "annelyse",
        "Lô",
        "185052A12345645",
        "1 85 05 2A 123 456 45",
        "1850 52a1 2345 6",
        "185052A123456",
        "IPP-00421",
        "ipp00421",
        "26-77A",
        "2A004",
        "19850501",
        "19850501103000",
        "1985-05-01",
        "1985/05/01",
        "01/05/1985",
        "1/5/85",
        "01.05.1985",
        "01 05 1985",
        "1er mai 1985",
        "01 mai 1985",
        "1 May 1985",
        "May 1st, 1985",
        "3 août 1990",
        "12 févr. 85",
        "279035121518989",
        "2 79 03 51 215 189 89",
    ],
)
@pytest.mark.parametrize("around", ["refus pour {} : voir le dossier", "[{}]", "name='{}'", "{}^^^L"])
def test_free_text_of_the_peer_loses_every_trait_however_written(trait: str, around: str) -> None:
    kept = redacted(around.format(trait), (QUOTED,))
    assert kept == redacted(around.format("***"), (QUOTED,))
    assert "***" in kept


@pytest.mark.parametrize(
    "text",
    [
        "Le document n'est pas conforme : code 42, version 2.10, 1 erreur le 3.",
        "XDSDocumentEntry.typeCode absent du jeu de valeurs JDV_J66",
        "La structure et le professionnel ne sont pas liés",
    ],
)
def test_free_text_without_traits_is_kept(text: str) -> None:
    assert redacted(text, (QUOTED,)) == text


def test_free_text_is_short_and_unescaped() -> None:
    assert redacted("ZO&#201; \n a\t b", (QUOTED,)) == "*** a b"
    assert len(redacted("mot " * 500, (QUOTED,))) == 300


def everything_told(found: Outcome) -> str:
    return " ".join((found.code, found.text, *found.warnings, *found.evidence.values())).upper()


@pytest.mark.parametrize("said", ["PAT-TROIS", "PATTROIS", "Dominique", MATRICULE, "né le 28/03/1979", "28 mars 1979"])
def test_nothing_of_what_the_peer_says_can_carry_a_trait(said: str) -> None:
    """Not even what stands where a code is expected."""
    bare = said.replace(" ", "_")
    for found in (
        outcome(response("Failure", ("XDSRegistryError", "Error"), context=said)),
        outcome(response("Failure", (bare, "Error"), context=said)),
        outcome(response("Failure", ("XDSRegistryMetadataError", "Error"), (bare, "Error"), context=said)),
        outcome(response("Success", (bare, "Warning"), context=said)),
        outcome(response("Success", (bare, "Error"), context=said)),
        outcome(response(f"urn:{bare}")),
        reply(500, envelope(fault_body("Sender", bare, said))),
        reply(500, envelope(fault_body(bare, "", said))),
        reply(500, envelope(fault_body("Receiver", "", said))),
        reply(200, said.encode()),
        reply(500, said.encode()),
    ):
        told = everything_told(found)
        for trait in ("PAT", "DOMINIQUE", MATRICULE, "1979"):
            assert trait not in told.replace("PATIENT", ""), told


def test_what_cannot_be_a_code_is_not_told() -> None:
    for code in ("", "x", "27903", "erreur du service", "A" * 80, "XDS20260305"):
        found = outcome(response("Failure", (code, "Error")))
        assert (found.kind, found.code) == (NO, UNREADABLE_CODE)


def test_the_table_is_coherent() -> None:
    table = error_table()
    used = {*table.codes.values(), *table.faults.values(), *table.http.values(), "unlisted", "doubtful"}
    assert used == set(table.classes)
