"""One way of giving a secret: a variable, a file, or in place for trials; never quoted."""

from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from pfi.model.errors import ConfigurationError
from pfi.standards.x509.secret import Secret, read_secret


class Settings(BaseModel):
    password: Secret | None = None


def test_a_secret_comes_from_a_variable_a_file_or_the_configuration_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SECRET", " de la variable\n")
    (tmp_path / "secret").write_text("du fichier\n", encoding="utf-8")
    given = (
        ({"env": "TEST_SECRET"}, "de la variable"),
        ({"file": tmp_path / "secret"}, "du fichier"),
        ("en place", "en place"),
        (None, ""),
    )
    for written, expected in given:
        assert read_secret(Settings.model_validate({"password": written}).password, "mot de passe") == expected


@pytest.mark.parametrize("written", [{}, {"env": "A", "file": "b"}, {"env": "A", "text": "b"}, {"autre": "x"}, 4242])
def test_a_secret_given_otherwise_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"password": written})


def test_a_number_without_quotes_is_not_guessed() -> None:
    with pytest.raises(ValidationError, match="entre guillemets"):
        Settings.model_validate({"password": 42})


def test_a_secret_is_not_shown_by_repr() -> None:
    shown = repr(Settings.model_validate({"password": "mot-de-passe-4242"}))
    assert "4242" not in shown
    assert "4242" not in repr(Settings.model_validate({"password": SecretStr("4242")}))


def test_a_missing_secret_is_named_by_its_place_and_never_quoted(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n", encoding="utf-8")
    (tmp_path / "latin").write_bytes(b"\xe94242")
    cases = (
        (Secret(env="TEST_SECRET_ABSENT"), "SECRET_MISSING", "TEST_SECRET_ABSENT"),
        (Secret(file=tmp_path / "empty"), "SECRET_MISSING", "empty"),
        (Secret(file=tmp_path / "absent"), "SECRET_UNREADABLE", "fichier ou dossier absent"),
        (Secret(file=tmp_path / "latin"), "SECRET_UNREADABLE", "UTF-8"),
    )
    for secret, code, told in cases:
        with pytest.raises(ConfigurationError, match=told) as raised:
            secret.read("clé")
        assert raised.value.code == code
        assert "4242" not in str(raised.value)
        assert raised.value.__cause__ is None


def test_editors_are_told_of_both_writings() -> None:
    schema = Settings.model_json_schema()["$defs"]["Secret"]
    assert schema["anyOf"][0]["type"] == "string"
    assert set(schema["anyOf"][1]["properties"]) == {"env", "file", "text"}
