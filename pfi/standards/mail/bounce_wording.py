"""The words of bounces: what mail systems write in English and French when they could not deliver (MSSanté digest §7).

Apostrophes are expected straight; a blank in a phrase is any run of blanks.
"""

import re
from typing import Final


def _any(*phrases: str, start: str = "") -> re.Pattern[str]:
    """One pattern for several phrases, which are regular expressions."""
    return re.compile(start + "(?:" + "|".join(phrase.replace(" ", r"\s+") for phrase in phrases) + ")", re.IGNORECASE)


WRITER: Final = _any(
    "mailer-?daemon", "postmaster", "mail delivery", "mail system", "mail administrator", "microsoft exchange",
    "system administrator", "administrateur système", "<>",
)  # fmt: skip
"""In the From field of a mail system."""

SUBJECT: Final = _any(
    "un-?deliver", "non-?deliver", "not delivered", "returned mail", "failure notice", "failed mail",
    "mail delivery", "mail failure", "mail system", "warning: message", "warning: could not",
    "delivery status", "delivery fail", "delivery has failed", "delivery notification", "delivery delayed",
    "delayed mail", "delayed:", "message delayed", "successful mail delivery", "return receipt",
    "(?:message |courri(?:er|el) )?non (?:remis|distribu|délivr)", "rapport de non-?remise", "retardé",
    "échec de (?:la )?(?:remise|distribution)", "(?:remise|distribution) (?:retardée|différée)",
    start=r"\s*(?:\[[^\]]{0,40}\]\s*)?",
)  # fmt: skip
"""At the start of the Subject."""

TEXT: Final = _any(
    "(?:not|n't) (?:yet )?(?:be |been )?(?:able to )?(?:deliver|reach)", "unable to deliver", "undeliver",
    "deliver(?:y|ies) (?:has )?(?:failed|delayed)", "has been delayed", "transcript of session", "final-recipient:",
    "permanent fatal errors", "transient non-fatal errors", "successful delivery notifications",
    "non (?:distribué|remis|délivré)", "n'est pas parvenu", "impossible de (?:remettre|distribuer|délivrer)",
    "pas (?:encore )?(?:pu )?(?:être|été) (?:distribué|remis|délivré|livré|acheminé|contacté)",
    "échec de (?:la )?(?:remise|distribution)", r"remise (?:\S+ ){0,3}retardée",
)  # fmt: skip
"""In the text of a notice."""

DELAYED: Final = _any(
    "warning message only", "not yet been delivered", "still undelivered", "transient non-fatal", "has been delayed",
    "delivery (?:is |has been )?delayed", "delay reason", "will be retried", "will keep trying",
    "will continue to (?:try|be attempted)", r"(?:remise|distribution) (?:\S+ ){0,3}(?:retardée|différée)",
    "pas encore (?:pu )?(?:être|été) (?:remis|distribué|délivré)",
)  # fmt: skip
"""The system still tries, unless GIVEN_UP is there too."""

GIVEN_UP: Final = _any("given up", "giving up", "permanent (?:fatal )?error", r"5\.\d{1,3}\.\d{1,3}")

DELIVERED: Final = _any("successful(?:ly)? deliver", r"a (?:bien )?été (?:remis|distribué) (?:à|aux?)\b")
"""A good news in prose, unless NEGATION is there too."""

NEGATION: Final = _any("fatal errors", "n't", "not be", r"\bpas\b", r"\bfail")

TRANSCRIPT: Final = _any("transcript of session")

RETURNED: Final = re.compile(
    r"^[ \t]*-{2,}[ \t]*(?:below|this\s+is\s+a\s+copy|original|unsent|message|the\s+header|enclosed|returned|copy|copie"
    r"|forwarded|en-têtes?|texte\s+du\s+message)"
    r"|^[ \t]*(?:original\s+message\s+headers|en-têtes?\s+(?:du|de)\s+message[^:\n]{0,20})[ \t]*:"
    r"|^(?:received|return-path|message-id|dkim-signature):[ \t]",
    re.IGNORECASE | re.MULTILINE,
)
"""Where the notice ends and the returned mail begins."""
