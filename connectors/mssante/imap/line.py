"""One IMAP session, command by command. Everything blocks: it lives in the thread of its mailbox.

`wake` and `interrupt` alone may be called from any thread.
"""

import contextlib
import logging
import os
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Self

from imapclient import DELETED, IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientError, LoginError

from connectors.mssante.imap.arrival import Arrival, MailKey
from connectors.mssante.imap.faults import FAULTS, fault_of, unreadable_folder
from connectors.mssante.imap.inbox import Inbox
from connectors.mssante.settings import ImapSasl, Tls

_HEADER_BYTES: Final = 256 * 1024
"""What is read of the header of a mail that is too large."""

# The library logs commands, hence addresses and mails, for those who would ask for its debug log.
logging.getLogger("imapclient").setLevel(logging.ERROR)


class Line:
    """An authenticated session with the mailbox's folder selected. Every method raises PfiError; after a
    TransportError the line is to be closed."""

    def __init__(self, inbox: Inbox, client: Any) -> None:
        self.validity = 0
        """UIDVALIDITY of the folder."""
        self._inbox = inbox
        self._client = client
        self._prefix = ""
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        # The same connection under a number of its own: it can be cut while another thread reads from the first.
        self._cutter = socket.socket(fileno=os.dup(client.socket().fileno()))

    @classmethod
    def open(cls, inbox: Inbox, context: ssl.SSLContext) -> Self:
        """Connects, encrypts, authenticates, makes the folders that are missing and selects the one of arrivals."""
        secret = inbox.secret()
        imap, timeouts = inbox.imap, inbox.account.timeouts
        implicit = imap.tls is Tls.IMPLICIT
        try:
            client = IMAPClient(
                inbox.host,
                imap.port,
                ssl=implicit,
                ssl_context=context if implicit else None,
                timeout=SocketTimeout(timeouts.connect, timeouts.command),
            )
        except FAULTS as error:
            raise fault_of(error, inbox, encrypted=implicit and not isinstance(error, ConnectionRefusedError)) from None
        client.normalise_times = False
        line = cls(inbox, client)
        try:
            line._greet(context, secret)
            line._settle()
        except BaseException:
            line.close()
            raise
        return line

    @property
    def tls_version(self) -> str:
        """Version of TLS in use (`TLSv1.3`)."""
        return str(self._client.socket().version())

    @property
    def idles(self) -> bool:
        """Whether the server tells of arrivals by itself (RFC 2177)."""
        return bool(self._client.has_capability("IDLE"))

    def keys(self) -> tuple[MailKey, ...]:
        """What lies in the folder, in order of arrival."""
        with self._told():
            self._client.noop()
            return tuple(MailKey(self.validity, uid) for uid in sorted(self._client.search("UNDELETED")))

    def fetch(self, key: MailKey) -> Arrival | None:
        """One mail; `None` when it is not there any more."""
        limit = self._inbox.imap.max_bytes
        with self._told():
            facts = self._client.fetch([key.uid], ["RFC822.SIZE", "INTERNALDATE"]).get(key.uid)
            if facts is None:
                return None
            size, received = int(facts[b"RFC822.SIZE"]), facts.get(b"INTERNALDATE")
            whole, content = size <= limit, None
            if whole:
                # One byte more than allowed: some servers only estimate sizes.
                content = self._part(key.uid, "BODY.PEEK[]", limit + 1)
                whole = content is None or len(content) <= limit
            if not whole:
                content = self._part(key.uid, "BODY.PEEK[HEADER]", min(_HEADER_BYTES, limit))
            if content is None:
                return None
        return Arrival(
            mailbox=self._inbox.address,
            key=key,
            size=len(content) if whole else max(size, limit + 1),
            received=received if isinstance(received, datetime) else None,
            whole=whole,
            content=content,
        )

    def move(self, key: MailKey, folder: str) -> bool:
        """Puts a mail in another folder; false when it is not where it arrived any more."""
        if key.validity != self.validity:
            return False
        name = self._prefix + folder
        with self._told():
            if not self._there(key.uid):
                return False
            try:
                self._move(key.uid, name)
            except IMAPClientError as error:
                if isinstance(error, self._client.AbortError):
                    raise
                # Another node may just have been faster, or somebody may have removed the folder.
                if not self._there(key.uid):
                    return False
                if "TRYCREATE" not in str(error):
                    raise
                self._create(folder)
                self._move(key.uid, name)
        return True

    def wait(self, seconds: float) -> None:
        """Returns when something may have arrived, when woken, or after `seconds`. Without IDLE, nothing arrives by
        itself: `poll_seconds` at most."""
        with self._told():
            if not self.idles:
                self._listen(min(seconds, self._inbox.imap.poll_seconds))
                return
            self._client.idle()
            if not self._at_hand():
                self._listen(seconds)
            self._client.idle_done()

    def wake(self) -> None:
        """Ends `wait`, or the next one, early."""
        with contextlib.suppress(OSError):
            self._waker.send(b"!")

    def interrupt(self) -> None:
        """Cuts the connection: whatever waits for it fails at once."""
        with contextlib.suppress(OSError):
            self._cutter.shutdown(socket.SHUT_RDWR)

    def close(self, *, politely: bool = False) -> None:
        """Ends the session, with LOGOUT if asked."""
        with contextlib.suppress(*FAULTS):
            if politely:
                self._client.logout()
        with contextlib.suppress(*FAULTS):
            self._client.shutdown()
        for each in (self._cutter, self._woken, self._waker):
            each.close()

    def _greet(self, context: ssl.SSLContext, secret: str) -> None:
        heard = False
        try:
            if self._inbox.imap.tls is Tls.STARTTLS:
                self._client.starttls(context)
            self._client.capabilities()
            heard = True
            self._client.socket().setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._authenticate(secret)
        except FAULTS as error:
            encrypted = isinstance(self._client.socket(), ssl.SSLSocket)
            raise fault_of(error, self._inbox, encrypted=encrypted and not heard) from None

    def _authenticate(self, secret: str) -> None:
        client, user = self._client, self._inbox.user
        match self._inbox.sasl:
            case ImapSasl.EXTERNAL:
                # The certificate proves, the mailbox is the authorization identity (RFC 4422 appendix A).
                client.sasl_login("EXTERNAL", lambda _challenge: user)
            case ImapSasl.PLAIN:
                client.plain_login(user, secret)
            case ImapSasl.LOGIN:
                client.login(user, secret)
            case ImapSasl.XOAUTH2:
                client.oauth2_login(user, secret)
            case ImapSasl.NONE:
                if client._imap.state == "NONAUTH":
                    raise LoginError("no PREAUTH greeting")

    def _settle(self) -> None:
        imap = self._inbox.imap
        with self._told():
            if self._client.has_capability("NAMESPACE"):
                personal = self._client.namespace().personal
                self._prefix = personal[0][0] if personal else ""
            for name in (imap.folders.documents, imap.folders.reports, imap.folders.attention):
                if not self._client.folder_exists(self._prefix + name):
                    self._create(name)
            try:
                selected = self._client.select_folder(imap.folder)
            except IMAPClientError as error:
                if isinstance(error, self._client.AbortError):
                    raise
                raise unreadable_folder(self._inbox, imap.folder) from None
            self.validity = int(selected.get(b"UIDVALIDITY", 0))

    def _create(self, folder: str) -> None:
        name = self._prefix + folder
        try:
            self._client.create_folder(name)
        except IMAPClientError as error:
            # Another node may have been faster.
            if isinstance(error, self._client.AbortError):
                raise
            if not self._client.folder_exists(name):
                raise unreadable_folder(self._inbox, folder) from None
        with contextlib.suppress(IMAPClientError):
            self._client.subscribe_folder(name)

    def _there(self, uid: int) -> bool:
        self._client.noop()
        return bool(self._client.search(["UNDELETED", "UID", str(uid)]))

    def _move(self, uid: int, name: str) -> None:
        if self._client.has_capability("MOVE"):
            self._client.move([uid], name)
            return
        self._client.copy([uid], name)
        self._client.add_flags([uid], [DELETED], silent=True)
        if self._client.has_capability("UIDPLUS"):
            self._client.uid_expunge([uid])
        else:
            self._client.expunge()

    def _part(self, uid: int, section: str, limit: int) -> bytes | None:
        """At most `limit` bytes of a mail, without marking it as read."""
        answer = self._client.fetch([uid], [f"{section}<0.{limit}>"]).get(uid, {})
        found = (value for name, value in answer.items() if name.startswith(b"BODY["))
        content = next(found, None)
        return bytes(content) if content is not None else None

    def _at_hand(self) -> bool:
        """Whether the server has already said more than what was read: polling sees only what the system still holds,
        not what came along with the last answer."""
        channel = self._client.socket()
        channel.setblocking(False)
        try:
            return bool(self._client._imap.file.peek(1))
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        finally:
            channel.settimeout(self._inbox.account.timeouts.command)

    def _listen(self, seconds: float) -> None:
        """Until the server says something, `wake`, or the time is over."""
        poller = select.poll()
        poller.register(self._client.socket().fileno(), select.POLLIN)
        poller.register(self._woken.fileno(), select.POLLIN)
        for number, _event in poller.poll(max(0.0, seconds) * 1000):
            if number == self._woken.fileno():
                self._woken.recv(4096)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FAULTS as error:
            raise fault_of(error, self._inbox) from None
