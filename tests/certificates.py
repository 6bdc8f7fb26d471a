"""The certificates of a sandbox, whose keys are made once per process: that takes longer than most tests.

A test gets a copy of its own, which it may renew, revoke or spoil. Whoever must be a stranger makes keys of their own:
`Certificates(folder)`.
"""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from connectors.sandbox.certificates import Certificates


def certificates_in(folder: Path) -> Certificates:
    """The same keys in each folder, and the same authority."""
    shutil.copytree(_made(), folder, dirs_exist_ok=True)
    return Certificates(folder)


@cache
def _made() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="pfi-test-certificates-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    Certificates(directory)
    return directory
