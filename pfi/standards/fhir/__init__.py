"""FHIR R4, as far as documents come in by it: PDSm / MHD "Provide Document Bundle" (ITI-65)."""
