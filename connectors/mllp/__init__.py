"""HL7 v2 over MLLP: a source (`listener`), a message connector (`connector`) and a small client (`client`)."""
