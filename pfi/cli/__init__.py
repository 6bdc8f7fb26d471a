"""The command line, `pfi`. Everything it prints for people is French; `--json` where a machine reads."""

import gettext
import os
from pathlib import Path

# Before any command is made: click translates some of its words when an option is declared, the others when it speaks.
os.environ.setdefault("LANGUAGE", "fr")
gettext.bindtextdomain("messages", str(Path(__file__).parent / "locale"))
