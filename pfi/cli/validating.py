"""The validation that precedes the DMP, made for `pfi explain --validate`: same pack, same checks, same findings."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from pfi.engine.settings import Settings
from pfi.engine.validation import compiled_under, pack_of
from pfi.model.errors import ConfigurationError
from pfi.model.finding import Finding, Severity
from pfi.model.submission import Submission
from pfi.standards.cda.validator import DocumentValidator, Validated


def validation_findings(submission: Submission | None, settings: Settings, pack: Path | None) -> Iterator[Finding]:
    """What validation says of each document, then one line that says what was applied. Raises ConfigurationError."""
    place = pack or pack_of(settings)
    if place is None:
        raise ConfigurationError(
            "VALIDATION_PACK_MISSING",
            "Aucun pack de validation n'est installé : --validate est impossible.",
            "Installer un pack (pfi validation-pack import), ou indiquer --pack.",
        )
    if submission is None:
        return
    with tempfile.TemporaryDirectory(prefix="pfi-validate-") as scratch:
        kept = compiled_under(settings)
        accept = settings.validation.incomplete == "accept"
        validator = DocumentValidator(place, kept if kept.parent.is_dir() else Path(scratch), accept_incomplete=accept)
        for document in submission.documents:
            validated = validator.validate(document.content)
            yield from validated.findings
            yield _conclusion(validated)


def _conclusion(validated: Validated) -> Finding:
    errors = sum(each.severity is Severity.ERROR for each in validated.findings)
    verdict = f"{errors} écart(s) : le DMP ne serait pas alimenté" if errors else "document conforme"
    text = f"Validation : {verdict}. Contrôles appliqués : {', '.join(validated.applied) or 'aucun'}."
    return Finding("CDA_VALIDATION", Severity.INFO, "ClinicalDocument", text, "EX_2.1-1090")
