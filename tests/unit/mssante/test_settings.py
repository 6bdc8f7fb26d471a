from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pfi.model.errors import ConfigurationError
from pfi.standards.x509.secret import Secret
from tests.unit.mssante.material import settings


def test_the_user_is_the_mailbox_unless_told_otherwise() -> None:
    assert settings().user == "pfi.app@ch-exemple.mssante.fr"
    assert settings(username="pfi").user == "pfi"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mailbox": "pas une adresse"}, "adresse"),
        ({"mailboxes": {"labo": "pas une adresse"}}, "« labo »"),
        ({"mailboxes": {" ": "labo@ch-exemple.mssante.fr"}}, "un nom"),
        ({"nil": ""}, "nil"),
        ({"nil": "deux mots"}, "ASCII"),
        ({"ehlo_name": "a\r\nMAIL FROM:<x@y>"}, "ASCII"),
        ({"source_oid": "1.02.3"}, "source_oid"),
        ({"sasl": "plain"}, "password"),
        ({"sasl": "external", "client_cert": None}, "client_cert"),
        ({"client_cert": None, "client_key": "k", "sasl": "plain", "password": {"env": "A"}}, "client_key"),
        ({"password": {}}, "env"),
        ({"password": {"env": "A", "file": "b"}}, "env"),
        ({"motdepasse": "x"}, "motdepasse"),
        ({"tls": "none"}, "tls"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        settings(**changes)


def test_further_mailboxes_are_known_by_their_name() -> None:
    configured = settings(mailboxes={"labo": " labo@CH-Exemple.mssante.fr "})
    assert configured.sender("") == "pfi.app@ch-exemple.mssante.fr"
    assert configured.sender("labo") == "labo@ch-exemple.mssante.fr"
    with pytest.raises(ConfigurationError, match=r"MSS_MAILBOX_UNKNOWN.*« imagerie »"):
        configured.sender("imagerie")


def test_a_secret_comes_from_a_variable_or_a_file_and_is_never_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SECRET", "de la variable")
    assert Secret(env="TEST_SECRET").read("password") == "de la variable"
    file = tmp_path / "secret"
    file.write_text("du fichier\n", encoding="utf-8")
    assert Secret(file=file).read("password") == "du fichier"
    file.write_text("\n", encoding="utf-8")
    for missing in (Secret(file=file), Secret(env="TEST_SECRET_ABSENT"), Secret(file=tmp_path / "none")):
        with pytest.raises(ConfigurationError, match="password"):
            missing.read("password")
