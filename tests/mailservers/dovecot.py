"""Dovecot as an operator would run it: IMAP over STARTTLS with a client certificate, IDLE, MOVE, UIDPLUS.

Its own configuration, sockets and log; the system's Dovecot, if there is one, is not touched.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from connectors.sandbox.certificates import CertificateFiles
from tests.mailservers.programs import listens, mail_ids, program

_CONFIGURATION: Final = """\
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
protocols = imap
listen = 127.0.0.1
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 1
first_valid_gid = 1
mail_uid = {uid}
mail_gid = {gid}
mail_home = {mailboxes}/%d/%n
mail_location = maildir:~/Maildir
mail_fsync = never
maildir_stat_dirs = yes
mailbox_idle_check_interval = 1 secs
imap_idle_notify_interval = 2 mins
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_ca = <{ca}
ssl_verify_client_cert = yes
ssl_require_crl = no
ssl_min_protocol = TLSv1.2
ssl_dh =
ssl_cert_username_field = commonName
auth_ssl_require_client_cert = yes
auth_ssl_username_from_cert = {from_certificate}
auth_mechanisms = plain login external
auth_failure_delay = 0 secs
auth_username_format = %Lu
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {implicit_port}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 1
}}
service anvil {{
  client_limit = 1000
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = static
  mechanisms = external
  args = nopassword=y
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login
  args = username_format=%Lu {root}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%Lu {root}/users
}}
"""


class Dovecot:
    """One server on `port` (STARTTLS) and `implicit_port` (TLS). `passwords` are the mailbox addresses with their
    passwords. With `from_certificate` the common name of the client certificate is the user, whatever is said."""

    def __init__(
        self,
        root: Path,
        mailboxes: Path,
        *,
        ports: tuple[int, int],
        passwords: Mapping[str, str],
        server: CertificateFiles,
        ca: Path,
        from_certificate: bool = False,
    ) -> None:
        self.port, self.implicit_port = ports
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        uid, gid = mail_ids()
        (root / "run").mkdir(parents=True)
        (root / "state").mkdir()
        users = root / "users"
        users.write_text("".join(f"{user}:{{PLAIN}}{word}:{uid}:{gid}::::\n" for user, word in passwords.items()))
        os.chmod(users, 0o644)
        self._configuration = root / "dovecot.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                root=root,
                mailboxes=mailboxes,
                uid=uid,
                gid=gid,
                port=self.port,
                implicit_port=self.implicit_port,
                certificate=server.certificate,
                key=server.key,
                ca=ca,
                from_certificate="yes" if from_certificate else "no",
            )
        )

    @property
    def ready(self) -> bool:
        return listens(self.port)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns at once; `ready` says when it listens."""
        with (self._root / "start.log").open("ab") as output:
            self._process = subprocess.Popen(
                [program("dovecot"), "-F", "-c", str(self._configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
            )

    def stop(self) -> None:
        """Ends all its processes, sessions under way included; nothing when it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._process = None

    def said(self) -> str:
        """What it wrote, to understand a failure."""
        paths = (self._root / "start.log", self._root / "dovecot.log")
        return "\n".join(path.read_text(errors="replace") for path in paths if path.exists())
