"""French code tables (NOS): document types, classes, formats, facilities, practice settings, content types.

The tables are dated data files beside this module; they move more often than the code, and a site may put its own in
force (`use`).
"""

from pfi.standards.nomenclature.codes import (
    accepted_by_dmp,
    author_specialty,
    class_code,
    class_is_fallback,
    class_label,
    confidentiality_code,
    content_type_code,
    content_type_for,
    event_code,
    facility_type,
    format_accepted_by_dmp,
    format_code,
    format_codes,
    practice_setting,
    type_code,
    type_label,
    versions,
)
from pfi.standards.nomenclature.tables import use

__all__ = [
    "accepted_by_dmp",
    "author_specialty",
    "class_code",
    "class_is_fallback",
    "class_label",
    "confidentiality_code",
    "content_type_code",
    "content_type_for",
    "event_code",
    "facility_type",
    "format_accepted_by_dmp",
    "format_code",
    "format_codes",
    "practice_setting",
    "type_code",
    "type_label",
    "use",
    "versions",
]
