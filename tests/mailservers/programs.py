"""What this machine offers: the programs of the two servers, the right to start them, free ports."""

import os
import pwd
import shutil
import socket
from pathlib import Path
from typing import Final

MAIL_USER: Final = "mail"
"""Owner of the mailboxes; every Debian has it."""
_NEEDED_USERS: Final = ("postfix", "dovecot", "dovenull", MAIL_USER)
_NEEDED_PROGRAMS: Final = ("postfix", "dovecot", "doveconf")
_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"


def program(name: str) -> str:
    """Path of a program, also of those that only root has in the path. Raises FileNotFoundError."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise FileNotFoundError(name)
    return found


def why_not() -> str:
    """Why the servers cannot be started here; empty when they can."""
    missing = [name for name in _NEEDED_PROGRAMS if shutil.which(name, path=_PATH) is None]
    if missing:
        return f"{', '.join(missing)} not installed (Debian packages postfix and dovecot-imapd): see docs/testing.md"
    if not Path("/usr/lib/dovecot/imap").exists() and not Path("/usr/libexec/dovecot/imap").exists():
        return "Dovecot has no IMAP (Debian package dovecot-imapd): see docs/testing.md"
    if os.geteuid() != 0:
        return "Postfix and Dovecot start as root only: see docs/testing.md"
    known = {entry.pw_name for entry in pwd.getpwall()}
    absent = [user for user in _NEEDED_USERS if user not in known]
    return f"users {', '.join(absent)} do not exist" if absent else ""


def mail_ids() -> tuple[int, int]:
    """User and group that own the mailboxes."""
    entry = pwd.getpwnam(MAIL_USER)
    return entry.pw_uid, entry.pw_gid


def free_ports(count: int) -> tuple[int, ...]:
    """Ports of the loopback that nothing listens on, all different."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = tuple(int(each.getsockname()[1]) for each in listeners)
    for each in listeners:
        each.close()
    return ports


def listens(port: int) -> bool:
    """Whether something answers there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
