"""INSi as a verifier: asks about one patient at a time, and only to confirm or to contradict."""

import asyncio
import ssl
from datetime import datetime, timedelta
from typing import Final

from connectors.insi.answers import FOUND, SEVERAL, Report, read_report
from connectors.insi.judgment import NOBODY_FOUND, SEVERAL_FOUND, judge
from connectors.insi.questions import Question, UnusableIdentityError, first_questions, has_birth_place
from connectors.insi.settings import InsiSettings, Operation
from connectors.insi.transport import Failure, Transport, client_context, host_of
from connectors.insi.wire import Wire
from pfi.engine.connector import CertificateState, CheckResult, Surroundings, Verification, VerificationKind
from pfi.model.errors import ConfigurationError
from pfi.model.patient import Patient
from pfi.standards.x509.identity import fingerprint
from pfi.standards.x509.renewal import Held, PairFiles, RenewedPair
from pfi.standards.x509.secret import read_secret

_SUBJECT: Final = "certificat INSi de l'établissement"
_SOON: Final = timedelta(days=30)


class InsiVerifier:
    """The teleservice INSi (INS digest §7). Safe for concurrent calls."""

    settings_model = InsiSettings

    def __init__(self, settings: InsiSettings, surroundings: Surroundings) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._transport = Transport(settings)
        self._wire = Wire(settings, surroundings)
        tls = settings.tls
        files = PairFiles(
            tls.certificate, tls.key, _SUBJECT, "auth_cli", lambda: read_secret(tls.key_password, "tls.key_password")
        )
        self._pair = RenewedPair(files, lambda _key, _now: client_context(settings))
        self._is_open = False
        self._looking = asyncio.Lock()
        self._away: Failure | None = None
        self._away_until: datetime | None = None

    async def open(self) -> None:
        """Loads the certificate. Raises ConfigurationError."""
        self._transport.open((await asyncio.to_thread(self._load)).made)
        self._is_open = True

    async def certificates(self) -> tuple[CertificateState, ...]:
        """Looks at the files again; a renewed certificate serves new connections."""
        async with self._looking:
            now = self._surroundings.clock()
            renewed = await asyncio.to_thread(self._pair.refresh, now)
            if renewed and self._is_open and self._pair.held is not None:
                await self._transport.renew(self._pair.held.made)
            return (self._state(now),)

    async def close(self) -> None:
        """Ends connections."""
        self._is_open = False
        await self._transport.close()

    async def check(self) -> tuple[CheckResult, ...]:
        """Dates of the certificate, then one TLS handshake. Sends nothing of a patient."""
        if not self._is_open:
            raise ConfigurationError("INSI_NOT_OPEN", "Le connecteur INSi n'est pas ouvert.")
        results = [self._told(state) for state in await self.certificates()]
        subject = f"INSi {host_of(self._settings.url)}"
        failure = await self._transport.reach()
        if failure is None:
            results.append(CheckResult(subject, True, "Connexion TLS mutuelle établie."))
        else:
            text = f"{failure.text} Vérifier l'adresse, le pare-feu et le certificat."
            results.append(CheckResult(subject, False, text))
        return tuple(results)

    async def verify(self, patient: Patient) -> Verification:
        """Asks with one given name at a time, then with the birth place; never chooses among several people."""
        try:
            questions = first_questions(patient, self._settings.environment)
        except UnusableIdentityError as error:
            return Verification(VerificationKind.UNDECIDED, error.code, error.text)
        if self._away is not None and self._away_until is not None:
            left = (self._away_until - self._surroundings.clock()).total_seconds()
            if left > 0:
                return _unavailable(self._away, left)
        try:
            async with asyncio.timeout(self._settings.timeouts.total):
                answer = await self._ask_all(patient, questions)
        except TimeoutError:
            answer = Failure("INSI_TIMEOUT", "Le téléservice INSi n'a pas répondu dans le délai.", away=True)
        if isinstance(answer, Failure):
            self._note(answer)
            return _unavailable(answer, answer.retry_after)
        self._away = None
        return answer

    async def _ask_all(self, patient: Patient, questions: tuple[Question, ...]) -> Verification | Failure:
        """The ladder: each given name; then those that several people answered to, with the birth place."""
        pending = [(question, rank == 0) for rank, question in enumerate(questions)]
        place = patient.traits.birth_place.strip() if has_birth_place(patient) else ""
        narrowed: list[tuple[Question, bool]] = []
        undecided = False
        calls = 0
        while pending and calls < self._settings.max_calls:
            question, first_name = pending.pop(0)
            report = await self._ask(question)
            calls += 1
            if isinstance(report, Failure):
                return report
            verdict = judge(report, patient, self._settings.environment, first_name=first_name)
            if verdict is not None:
                return verdict
            if report.code == SEVERAL:
                undecided = True
                if place and not question.birth_place:
                    narrowed.append((_with_place(question, place), first_name))
            if not pending:
                pending, narrowed = narrowed, []
        return SEVERAL_FOUND if undecided else NOBODY_FOUND

    async def _ask(self, question: Question) -> Report | Failure:
        request = self._wire.request(question)
        reply = await self._transport.post(request)
        if isinstance(reply, Failure):
            return reply
        report = read_report(reply, request)
        searched = self._settings.operation is Operation.SEARCH
        if isinstance(report, Report) and report.code == FOUND and report.individual is None and searched:
            return Failure("INSI_ANSWER_UNREADABLE", "La réponse du téléservice INSi n'est pas celle attendue.")
        return report

    def _note(self, failure: Failure) -> None:
        """Nobody waits for a service that was just found away: the failure is told again for a while."""
        if failure.away:
            wait = timedelta(seconds=self._settings.pause_seconds)
            self._away, self._away_until = failure, self._surroundings.clock() + wait

    def _load(self) -> Held[ssl.SSLContext]:
        try:
            return self._pair.open(self._surroundings.clock())
        except ConfigurationError as error:
            if error.code != "CERTIFICATE_WRONG_PURPOSE":
                raise
            raise ConfigurationError(
                error.code, error.text, "Utiliser le certificat INSI_AUTO (ou INSI_MANU) de l'IGC Santé."
            ) from None

    def _state(self, now: datetime) -> CertificateState:
        held, fault = self._pair.held, self._pair.fault
        if held is None:
            told = f"{fault.text} {fault.next_step}".strip() if fault is not None else ""
            return CertificateState(
                "client", _SUBJECT, in_use=False, fault=fault.code if fault is not None else "", fault_text=told
            )
        certificate = held.key.certificate
        if certificate.not_valid_after_utc < now:
            fault = ConfigurationError("CERTIFICATE_EXPIRED", f"Le {_SUBJECT} a expiré.", "Le renouveler.")
        return CertificateState(
            slot="client",
            subject=_SUBJECT,
            name=held.key.subject,
            fingerprint=fingerprint(certificate),
            not_after=certificate.not_valid_after_utc,
            fault=fault.code if fault is not None else "",
            fault_text=f"{fault.text} {fault.next_step}".strip() if fault is not None else "",
        )

    def _told(self, state: CertificateState) -> CheckResult:
        if state.fault or state.not_after is None:
            return CheckResult(_SUBJECT, False, state.fault_text or "Certificat non chargé.")
        if state.not_after < self._surroundings.clock() + _SOON:
            return CheckResult(_SUBJECT, False, f"Expire le {state.not_after:%d/%m/%Y} : le renouveler dès maintenant.")
        return CheckResult(_SUBJECT, True, f"Valable jusqu'au {state.not_after:%d/%m/%Y}.")


def _with_place(question: Question, place: str) -> Question:
    return Question(question.ins, question.birth_name, question.given_name, question.sex, question.birth_date, place)


def _unavailable(failure: Failure, retry_after: float | None) -> Verification:
    return Verification(VerificationKind.UNAVAILABLE, failure.code, failure.text, retry_after)
