"""Where the store of a configuration is."""

import os
from collections.abc import Mapping

from pfi.engine.settings import DATABASE_VARIABLE, Settings


def database_url(settings: Settings, environment: Mapping[str, str] = os.environ) -> str | None:
    """URL of the store: the environment first, then the configuration; `None` = the embedded server."""
    if url := environment.get(DATABASE_VARIABLE, "").strip():
        return url
    return settings.database.url.get_secret_value() if settings.database.url else None
