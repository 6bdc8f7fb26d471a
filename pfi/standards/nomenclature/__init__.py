"""French code tables (NOS): document types, classes, formats, facilities, practice settings, content types.

The tables are dated data files beside this module; they move more often than the code.
"""

from pfi.standards.nomenclature.codes import (
    accepted_by_dmp,
    class_code,
    class_label,
    confidentiality_code,
    content_type_code,
    content_type_for,
    facility_type,
    format_accepted_by_dmp,
    format_code,
    practice_setting,
    type_code,
    type_label,
    versions,
)

__all__ = [
    "accepted_by_dmp",
    "class_code",
    "class_label",
    "confidentiality_code",
    "content_type_code",
    "content_type_for",
    "facility_type",
    "format_accepted_by_dmp",
    "format_code",
    "practice_setting",
    "type_code",
    "type_label",
    "versions",
]
