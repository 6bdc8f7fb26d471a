"""Postfix as an operator would run it: submission over STARTTLS with a client certificate, delivery to Maildir, DSN.

Its own configuration, queue, data and log; the system's Postfix, if there is one, is not touched.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from connectors.sandbox.certificates import CertificateFiles
from tests.mailservers.programs import listens, mail_ids, program

SIZE_LIMIT: Final = 12_000_000
"""Bytes of a mail: SIZE in EHLO."""

_QUEUES: Final = ("maildrop", "incoming", "active", "deferred", "hold")
_SETTLE_SECONDS: Final = 20.0

_MASTER: Final = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{neighbour} inet n - n - - smtpd
  -o myhostname=mx.voisin.test
  -o smtpd_tls_security_level=none
  -o smtpd_tls_req_ccert=no
  -o smtpd_relay_restrictions=
  -o smtpd_recipient_restrictions=check_recipient_access,texthash:{root}/etc/refused,reject
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
tlsmgr    unix - - n 1000? 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
"""

_MAIN: Final = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
maillog_file = {root}/mail.log
maillog_file_prefixes = {root}
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.operateur.test
mydestination =
mynetworks =
alias_maps =
local_recipient_maps =
local_transport = error:5.1.1 no local mailbox
relay_domains =
default_transport = error:5.4.4 this machine sends nothing outside
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {mailboxes}
virtual_mailbox_maps = texthash:{root}/etc/mailboxes
virtual_transport = virtual
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
mailbox_size_limit = 0
message_size_limit = {size_limit}
transport_maps = texthash:{root}/etc/transport
queue_run_delay = 5s
minimal_backoff_time = 5s
delay_warning_time = 1s
smtpd_banner = $myhostname ESMTP
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_CAfile = {ca}
smtpd_tls_req_ccert = yes
smtpd_tls_loglevel = 1
smtpd_relay_restrictions = permit_tls_all_clientcerts, reject
smtpd_recipient_restrictions = reject_unlisted_recipient, permit_tls_all_clientcerts, reject
smtpd_peername_lookup = no
smtpd_discard_ehlo_keywords = etrn, vrfy, chunking
disable_vrfy_command = yes
biff = no
"""


class Postfix:
    """One server on the first of `ports`. `maildirs` are mailbox addresses with their Maildir, relative to `mailboxes`;
    `returned` are addresses that the neighbour (second port) refuses, hence that come back, with its reply (`550 5.2.1
    mailbox closed`); `delayed` are those of a server that does not answer (third port)."""

    def __init__(
        self,
        root: Path,
        mailboxes: Path,
        *,
        ports: tuple[int, int, int],
        maildirs: Mapping[str, str],
        returned: Mapping[str, str],
        delayed: tuple[str, ...],
        server: CertificateFiles,
        ca: Path,
    ) -> None:
        self.port, neighbour, nobody = ports
        self.log = root / "mail.log"
        self._root = root
        self._configuration = root / "etc"
        self._process: subprocess.Popen[bytes] | None = None
        uid, gid = mail_ids()
        self._configuration.mkdir(parents=True)
        (root / "queue").mkdir()
        (root / "data").mkdir()
        shutil.chown(root / "data", "postfix")
        known = {**maildirs, **dict.fromkeys((*returned, *delayed), "never/")}
        domains = sorted({address.partition("@")[2] for address in known})
        self._write("mailboxes", "".join(f"{address} {path}\n" for address, path in known.items()))
        beyond = {**dict.fromkeys(returned, neighbour), **dict.fromkeys(delayed, nobody)}
        self._write("transport", "".join(f"{address} smtp:[127.0.0.1]:{port}\n" for address, port in beyond.items()))
        self._write("refused", "".join(f"{address} {reply}\n" for address, reply in returned.items()))
        self._write("master.cf", _MASTER.format(port=self.port, neighbour=neighbour, root=root))
        main = _MAIN.format(
            root=root,
            mailboxes=mailboxes,
            domains=", ".join(domains),
            uid=uid,
            gid=gid,
            size_limit=SIZE_LIMIT,
            certificate=server.certificate,
            key=server.key,
            ca=ca,
        )
        self._write("main.cf", main)

    @property
    def ready(self) -> bool:
        return listens(self.port)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns at once; `ready` says when it listens."""
        output = (self._root / "start.log").open("ab")
        with output:
            self._process = subprocess.Popen(
                [program("postfix"), "-c", str(self._configuration), "start-fg"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
            )

    def stop(self) -> None:
        """Ends all its processes; nothing when it does not run."""
        if self._process is None:
            return
        subprocess.run(
            [program("postfix"), "-c", str(self._configuration), "stop"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._process = None

    def forget(self) -> None:
        """Drops what is on its way, and waits until nothing is."""
        queue, limit = self._root / "queue", time.monotonic() + _SETTLE_SECONDS
        while any(path.is_file() for name in _QUEUES for path in (queue / name).rglob("*")):
            if time.monotonic() > limit:
                raise RuntimeError(f"Postfix does not come to rest:\n{self.said()}")
            subprocess.run(
                [program("postsuper"), "-c", str(self._configuration), "-d", "ALL"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=30,
                check=True,
            )
            time.sleep(0.05)

    def said(self) -> str:
        """What it wrote, to understand a failure."""
        paths = (self._root / "start.log", self.log)
        return "\n".join(path.read_text(errors="replace") for path in paths if path.exists())

    def _write(self, name: str, text: str) -> None:
        path = self._configuration / name
        path.write_text(text)
        os.chmod(path, 0o644)
