"""HL7 v2: MLLP frames, document requests (ORU, MDM), PAM.FR ADT, acknowledgments (ACK, ZAM). Sans-IO, no grammar."""
