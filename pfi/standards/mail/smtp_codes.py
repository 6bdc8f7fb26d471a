"""SMTPERRORCODE: the codes of a negative ZAM^Z02, and how SMTP replies and DSN lead to them (MSSanté digest §7)."""

import re
from typing import Final

LABELS: Final[dict[str, str]] = {
    "101": "Connexion au serveur impossible",
    "111": "Connexion refusée",
    "251": "Destinataire non local, message relayé",
    "252": "Destinataire non vérifiable, remise tentée",
    "420": "Délai de connexion dépassé",
    "421": "Service indisponible",
    "422": "Boîte du destinataire pleine",
    "431": "Espace disque ou mémoire insuffisant",
    "432": "Changement de mot de passe exigé",
    "441": "Serveur du destinataire muet",
    "442": "Connexion coupée pendant le transfert",
    "450": "Boîte indisponible pour le moment",
    "451": "Erreur de traitement du serveur",
    "452": "Ressources du serveur insuffisantes",
    "500": "Erreur de syntaxe",
    "501": "Erreur dans un paramètre",
    "502": "Commande non prise en charge",
    "503": "Séquence de commandes incorrecte",
    "504": "Paramètre non pris en charge",
    "510": "Adresse de messagerie incorrecte",
    "512": "Serveur du destinataire introuvable (DNS)",
    "513": "Type d'adresse incorrect",
    "523": "Taille maximale du message dépassée",
    "530": "Authentification exigée",
    "541": "Message rejeté par le destinataire (filtrage)",
    "550": "Boîte indisponible",
    "551": "Destinataire non local",
    "552": "Espace de stockage dépassé",
    "553": "Nom de boîte incorrect",
    "554": "Échec définitif de la remise",
}
"""Short French label of each code."""

_BY_STATUS: Final[dict[str, str]] = {
    "4.2.0": "450",
    "4.2.1": "450",
    "4.2.2": "422",
    "5.2.0": "550",
    "5.2.1": "550",
    "5.2.2": "552",
}
_BY_SUBJECT_AND_DETAIL: Final[dict[str, str]] = {
    "1.0": "510",
    "1.1": "550",
    "1.2": "512",
    "1.3": "513",
    "1.6": "510",
    "1.7": "510",
    "1.8": "510",
    "2.3": "523",
    "3.0": "452",
    "3.1": "431",
    "3.2": "421",
    "3.4": "523",
    "4.1": "441",
    "4.2": "442",
    "4.3": "512",
    "4.4": "512",
    "4.6": "554",
    "4.7": "420",
    "5.1": "500",
    "5.2": "503",
    "5.3": "501",
    "5.4": "504",
    "7.0": "541",
    "7.1": "541",
    "7.8": "530",
    "7.9": "530",
    "7.11": "530",
    "7.13": "530",
}
_BY_SUBJECT: Final[dict[str, str]] = {"6": "554"}
_BY_CLASS: Final[dict[str, str]] = {"4": "451", "5": "554"}

# Bounces in prose give their reason in words only: those of Mon espace santé in French (MSSanté digest §7, MES), those
# of mail systems in the language of their administrator. The first wording found decides.
_BY_WORDING: Final = tuple(
    (re.compile(wording, re.IGNORECASE), code)
    for wording, code in (
        (r"messagerie\s+(?:\S+\s+){0,6}(?:ferm|clos|clôtur)", "550"),
        (r"(?:ferm|clôtur)\S{1,4}\s+(?:\S+\s+){0,2}messagerie", "550"),
        (r"(?:patient|usager)\s+(?:\S+\s+){0,3}?(?:introuvable|inconnu|non\s+trouvé)", "550"),
        (r"aucun\s+(?:patient|usager)", "550"),
        (r"adresse\s+(?:\S+\s+){0,6}?(?:invalide|incorrecte|mal\s+formée|non\s+valide)", "510"),
        (r"message\s+(?:\S+\s+){0,3}?(?:size|too\s+(?:big|large))", "523"),
        (r"size\s+(?:\S+\s+){0,4}?(?:limit|exceed)", "523"),
        (r"taille\s+(?:\S+\s+){0,6}?(?:dépass|maxim|trop)", "523"),
        (r"(?:dépass\S*|plus\s+de)\s+(?:\S+\s+){0,6}?\d+\s*m[ob]\b", "523"),
        (r"trop\s+(?:volumineux|grand|lourd)", "523"),
        (r"(?:user|recipient|mailbox|account|address)\s+(?:\S+\s+){0,4}?(?:unknown|not\s+found)", "550"),
        (r"(?:user|recipient|mailbox|account|address)\s+(?:\S+\s+){0,4}?(?:not|\S+n't)\s+exist", "550"),
        (r"(?:unknown|no\s+such|invalid)\s+(?:local\s+)?(?:user|recipient|mailbox|account)", "550"),
        (r"no\s+mailbox\s+here", "550"),
        (r"(?:destinataire|utilisateur|boîte|compte|adresse)\s+(?:\S+\s+){0,6}?(?:inconnu|introuvable)", "550"),
        (r"(?:destinataire|utilisateur|boîte|compte|adresse)\s+(?:\S+\s+){0,6}?n'existe\s+pas", "550"),
        (r"(?:mailbox|quota|inbox)\s+(?:\S+\s+){0,3}?(?:full|exceeded)|over\s*quota", "552"),
        (r"boîte\s+(?:\S+\s+){0,6}?pleine|quota\s+(?:\S+\s+){0,3}?(?:dépassé|atteint)", "552"),
        (r"(?:host|domain)\s+(?:\S+\s+){0,4}?(?:not\s+found|unknown)|unrouteable", "512"),
        (r"couldn't\s+find\s+any\s+host|name\s+service\s+error", "512"),
        (r"domaine\s+(?:\S+\s+){0,4}?(?:inconnu|introuvable|n'existe\s+pas)", "512"),
        (r"connection\s+refused|connexion\s+refusée", "111"),
        (r"(?:connection|operation|session)\s+timed?\s*out|retry\s+time(?:out)?\s+(?:\S+\s+)?exceeded", "420"),
        (r"in\s+the\s+queue\s+too\s+long|message\s+expired", "420"),
        (r"délai\s+(?:\S+\s+){0,6}?(?:dépassé|expiré|écoulé)", "420"),
        (r"\bspam\b|anti-?spam|blacklist|blocklist|indésirable", "541"),
    )
)

_MAX_WORDING: Final = 4000

_ENHANCED: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REPLY: Final = re.compile(r"(?<![\d.])([245]\d\d)(?![\d.])")


def enhanced_status(text: str) -> str:
    """The first RFC 3463 status (`5.1.1`) of a text, or empty."""
    found = _ENHANCED.search(text)
    return f"{found[1]}.{int(found[2])}.{int(found[3])}" if found else ""


def reply_code(text: str) -> str:
    """The first three-digit SMTP reply code of a text, or empty."""
    found = _REPLY.search(text)
    return found[1] if found else ""


def code_of(status: str, diagnostic: str = "", *, temporary: bool = False) -> str:
    """The SMTPERRORCODE of a failure: enhanced status first, then the reply code, then the wording, then the class.

    `status` is an RFC 3463 status or empty; `diagnostic` the server's text, reply code included. `temporary` decides
    the class when neither says it.
    """
    level, _, rest = status.partition(".")
    code = _BY_STATUS.get(status) or _BY_SUBJECT_AND_DETAIL.get(rest) or _BY_SUBJECT.get(rest.partition(".")[0])
    if code:
        return code
    reply = reply_code(diagnostic)
    if reply in LABELS and reply[0] in "45":
        return reply
    said = code_by_wording(diagnostic)
    return said or _BY_CLASS.get(level or reply[:1], "451" if temporary else "554")


def code_by_wording(text: str) -> str:
    """The code that a sentence of a mail system stands for, or empty. Apostrophes of both kinds; bounded length."""
    words = text[:_MAX_WORDING].replace("’", "'")
    return next((code for wording, code in _BY_WORDING if wording.search(words)), "")


def label_of(code: str) -> str:
    """French label of a code; the one of a permanent failure when it is not in the table."""
    return LABELS.get(code, LABELS["554"])
