"""The one way of giving a secret: the name of an environment variable, a file of its own, or, for trials, in place."""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, SecretStr, model_validator
from pydantic_core import CoreSchema

from pfi.model.errors import ConfigurationError, system_reason


class Secret(BaseModel):
    """`{env: NAME}` or `{file: path}`: a secret that stays out of the configuration file. A mere text is the secret
    itself, for trials."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    env: str = ""
    """Environment variable that holds it."""
    file: Path | None = None
    """File that holds it; surrounding blanks and line ends are dropped."""
    text: SecretStr | None = None
    """The secret itself, for trials only: a configuration file is copied, mailed and kept."""

    @model_validator(mode="before")
    @classmethod
    def _in_place(cls, given: Any) -> Any:
        if isinstance(given, int | float):  # YAML has already changed what was written: 0042 is 34
            raise ValueError("écrire ce secret entre guillemets, ou donner « env » ou « file »")  # noqa: TRY004
        return {"text": given} if isinstance(given, str | SecretStr) else given

    @model_validator(mode="after")
    def _one_only(self) -> Self:
        if (bool(self.env), self.file is not None, self.text is not None).count(True) != 1:
            raise ValueError("donner « env » ou « file », et un seul des deux")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        written = handler.resolve_ref_schema(handler(schema))
        described = written.pop("description", "")
        block = dict(written)
        written.clear()
        written |= {"description": described, "anyOf": [{"type": "string", "format": "password"}, block]}
        return written

    def read(self, what: str) -> str:
        """The secret. `what` names it in messages. Raises ConfigurationError when it is missing or empty; never quotes
        it."""
        if self.text is not None:
            return self.text.get_secret_value()
        if self.file is not None:
            try:
                value = self.file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = system_reason(error) if isinstance(error, OSError) else "texte UTF-8 attendu"
                raise ConfigurationError(
                    "SECRET_UNREADABLE",
                    f"{what} : fichier {self.file} illisible ({reason}).",
                    "Vérifier le chemin et les droits.",
                ) from None
        else:
            value = os.environ.get(self.env, "").strip()
        if not value:
            source = str(self.file) if self.file is not None else f"variable {self.env}"
            raise ConfigurationError("SECRET_MISSING", f"{what} : rien dans {source}.", "Renseigner le secret.")
        return value


def read_secret(given: Secret | None, what: str) -> str:
    """The value of a secret, empty when none is given. Raises ConfigurationError."""
    return "" if given is None else given.read(what)
