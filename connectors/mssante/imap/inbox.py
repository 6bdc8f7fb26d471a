"""One mailbox to read, with everything that its session needs."""

from dataclasses import dataclass

from connectors.mssante.settings import ImapSasl, ImapSettings, InboxAccount, MssanteSettings, Sasl
from pfi.engine.connector import Filing
from pfi.model.errors import ConfigurationError
from pfi.standards.x509.secret import Secret, read_secret

_PASSWORDS = (ImapSasl.PLAIN, ImapSasl.LOGIN, ImapSasl.XOAUTH2)


@dataclass(frozen=True, slots=True)
class Inbox:
    """`account` are the connector's settings with the certificate of this mailbox in place of its own."""

    address: str
    imap: ImapSettings
    account: MssanteSettings
    user: str
    password: Secret | None

    @property
    def host(self) -> str:
        return self.imap.host or self.account.host

    @property
    def place(self) -> str:
        """The server, as an operator reads it."""
        return f"{self.host}:{self.imap.port}"

    @property
    def sasl(self) -> ImapSasl:
        """An IMAP session must be someone's: where SMTP takes the certificate without a word, IMAP says EXTERNAL."""
        if self.imap.sasl is not None:
            return self.imap.sasl
        return ImapSasl.EXTERNAL if self.account.sasl is Sasl.NONE else ImapSasl(self.account.sasl.value)

    def secret(self) -> str:
        """Password or token, as it is now. Raises ConfigurationError."""
        if self.sasl not in _PASSWORDS:
            return ""
        if self.password is None:
            raise ConfigurationError(
                "MSS_IMAP_PASSWORD",
                f"Boîte {self.address} : « password » est obligatoire avec « sasl: {self.sasl} ».",
                "Donner le mot de passe de la boîte dans « imap.mailboxes », ou celui du connecteur.",
            )
        return read_secret(self.password, "password")

    def folder_for(self, filing: Filing) -> str:
        """Name of the folder where a mail goes."""
        folders = self.imap.folders
        return {
            Filing.DOCUMENTS: folders.documents,
            Filing.REPORTS: folders.reports,
            Filing.ATTENTION: folders.attention,
        }[filing]


def inboxes(settings: MssanteSettings) -> tuple[Inbox, ...]:
    """The mailboxes that a connector reads, in the order of its settings; none without `imap`."""
    imap = settings.imap
    if imap is None:
        return ()
    accounts = imap.mailboxes or {settings.mailbox: InboxAccount(username=settings.username)}
    return tuple(_inbox(settings, imap, address, account) for address, account in accounts.items())


def _inbox(settings: MssanteSettings, imap: ImapSettings, address: str, own: InboxAccount) -> Inbox:
    account = settings
    if own.client_cert is not None:
        pair = {name: getattr(own, name) for name in ("client_cert", "client_key", "key_password")}
        account = settings.model_copy(update=pair)
    return Inbox(address, imap, account, own.username or address, own.password or settings.password)
