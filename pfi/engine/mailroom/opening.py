"""From a received mail to what is done with its documents: pure, so that every case can be read in one place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pfi.engine.mailroom.settings import ReceptionSettings, RouteSettings
from pfi.identity import ins
from pfi.model.document import Document
from pfi.model.finding import Finding, Severity
from pfi.model.profile import Environment
from pfi.model.submission import Orders, Request
from pfi.standards.cda.oids import INS_OIDS
from pfi.standards.hl7v2.codes import APPLICATION_ERRORS, OTHER_APPLICATION_ERROR
from pfi.standards.hl7v2.mdm import visibility
from pfi.standards.mail.answers import IntegrationError
from pfi.standards.mail.inbound import InboundMail
from pfi.standards.xdm.checks import CheckedDocument, check_received
from pfi.standards.xdm.guards import ArchiveRefusedError
from pfi.standards.xdm.reader import read_archive
from pfi.store.mailroom import Reply

MASKED: Final = "MASKED"
_MASKED_TEXT: Final = "Document masqué aux professionnels : il attend qu'une personne décide (pfi mail release)."
NO_ROUTE: Final = "NO_ROUTE"
_NO_ROUTE_TEXT: Final = (
    "Aucune règle de réception ne dit à quel logiciel remettre ce type de document reçu par cette boîte "
    "(reception.routes)."
)
_NOTHING: Final = "Le courriel n'a apporté aucun document qui puisse être intégré."


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document to hand over. `held` is the code of why it waits for a person, empty when it does not."""

    document: Document
    request: Request
    flags: Orders
    route: RouteSettings | None
    held: str = ""

    @property
    def held_text(self) -> str:
        return {MASKED: _MASKED_TEXT, NO_ROUTE: _NO_ROUTE_TEXT}.get(self.held, "")


@dataclass(frozen=True, slots=True)
class OpenedMail:
    """`documents` may be handed over; `refusals` are the others, one error each; `errors` concern the whole mail, which
    then has no document."""

    documents: tuple[OpenedDocument, ...]
    findings: tuple[Finding, ...]
    refusals: tuple[IntegrationError, ...] = ()
    errors: tuple[IntegrationError, ...] = ()

    @property
    def failed(self) -> bool:
        """Something of it will not be integrated."""
        return bool(self.errors or self.refusals)

    @property
    def code(self) -> str:
        """Code of the first error, empty when there is none."""
        return next((each.code for each in self.findings if each.severity is Severity.ERROR), "")

    @property
    def text(self) -> str:
        return next((each.text for each in self.findings if each.severity is Severity.ERROR), "")


def open_mail(mail: InboundMail, mailbox: str, reception: ReceptionSettings, environment: Environment) -> OpenedMail:
    """Opens the archive of a document mail and checks what is in it (mssante digest §9). Never raises."""
    findings = list(mail.findings)
    if any(each.severity is Severity.ERROR for each in findings):
        return _refused(findings)
    if not mail.sender:
        text = "Le courriel n'a pas d'expéditeur lisible : ses documents ne peuvent être remis."
        return _refused([*findings, _error("MAIL_SENDER_MISSING", "from", text)])
    archives = mail.xdm
    if not archives:
        text = "L'objet annonce des documents (XDM) mais le courriel n'a pas d'archive IHE_XDM.ZIP."
        return _refused([*findings, _error("XDM_ABSENT", "", text)])
    if len(archives) > 1:
        text = "Le courriel a plusieurs archives IHE_XDM : on ne peut savoir laquelle fait foi."
        return _refused([*findings, _error("XDM_SEVERAL", "", text)])
    try:
        archive = read_archive(archives[0].content())
    except ArchiveRefusedError as error:
        return _refused([*findings, _error(error.code, "IHE_XDM.ZIP", error.text)])
    checked = check_received(archive)
    findings += checked.all_findings
    errors = _errors_of(checked.findings)
    if errors:
        return OpenedMail((), tuple(findings), errors=errors)
    for rank, document in enumerate(checked.documents, 1):
        findings += _check_ins(document, f"DOC[{rank}]", environment)
    documents = tuple(opened for each in checked.accepted if (opened := _opened(each, mailbox, reception)) is not None)
    refusals = tuple(_errors_of(each.findings)[0] for each in checked.documents if each.refused)
    if not documents and not refusals:
        return _refused([*findings, _error("XDM_NOTHING", "IHE_XDM.ZIP", _NOTHING)])
    return OpenedMail(documents, tuple(findings), refusals)


def reply_to(mail: InboundMail, reception: ReceptionSettings) -> tuple[Reply, str]:
    """How the correspondent of a document mail is answered, and where (mssante digest §8.3, §8.5; RFC 8098 §2.1).

    A mail that a program sent as an answer is never answered, and one that nobody may answer (null path) never by
    itself. One that a program sent by itself (RFC 3834 §5: auto-generated) is answered as any other: programs write
    all document mails. The error mail is sent when there is an error to tell.
    """
    if mail.auto_submitted not in ("", "no", "auto-generated"):
        return Reply.NONE, ""
    wanted = mail.disposition_notification_to
    if wanted:
        elsewhere = mail.return_path is not None and mail.return_path.lower() != wanted[0].lower()
        nobody = mail.return_path == ""
        if len(wanted) > 1 or nobody or (elsewhere and reception.mdn_elsewhere == "person"):
            return Reply.PERSON, wanted[0]
        return Reply.MDN, wanted[0]
    if reception.error_mailbox:
        return Reply.ERROR_MAIL, reception.error_mailbox
    return Reply.NONE, ""


def _opened(checked: CheckedDocument, mailbox: str, reception: ReceptionSettings) -> OpenedDocument | None:
    document, request = checked.document, checked.archived.request
    if document is None or request is None:
        return None
    flags = visibility(checked.archived.entry.confidentiality_codes)
    route = reception.route_of(mailbox, document.header.code.code)
    held = NO_ROUTE if route is None else MASKED if flags.masque_ps and reception.masked == "hold" else ""
    return OpenedDocument(document, request, flags, route, held)


def _check_ins(checked: CheckedDocument, place: str, environment: Environment) -> Iterator[Finding]:
    """Shape, key and environment of the INS of a document (INS digest §1, §8.4). Whether it is refused is the
    consumer's business."""
    patient = checked.document.header.patient if checked.document is not None else None
    every = () if patient is None else (patient.ins, *patient.other_ins)
    for each in every:
        if each is None or each.oid not in INS_OIDS:
            continue
        if not ins.allowed(each, environment):
            text = (
                "Document reçu avec une INS de test ou de démonstration : ce n'est pas celle d'un patient."
                if ins.is_test(each)
                else "Document reçu avec une INS réelle par une plateforme de test."
            )
            yield _doubt("INS_OID_ENVIRONMENT", place, text)
        if not ins.is_well_formed(each.matricule):
            text = "Le matricule INS du document reçu n'a pas la forme attendue (13 caractères, une clé de 2 chiffres)."
            yield _doubt("INS_MALFORMED", place, text)
        elif not ins.has_right_key(each.matricule):
            yield _doubt("INS_KEY_WRONG", place, "La clé du matricule INS du document reçu est fausse.")


def _doubt(code: str, place: str, text: str) -> Finding:
    return Finding(code, Severity.WARNING, f"{place}/recordTarget/patientRole/id", text, "INS digest §1")


def _errors_of(findings: Iterable[Finding]) -> tuple[IntegrationError, ...]:
    return tuple(
        IntegrationError(each.err5 if each.err5 in APPLICATION_ERRORS else OTHER_APPLICATION_ERROR, each.text)
        for each in findings
        if each.severity is Severity.ERROR
    )


def _refused(findings: list[Finding]) -> OpenedMail:
    return OpenedMail((), tuple(findings), errors=_errors_of(findings))


def _error(code: str, where: str, text: str) -> Finding:
    return Finding(code, Severity.ERROR, where, text, "MSSanté digest §9", "207", OTHER_APPLICATION_ERROR)
