"""Writes the committed samples: people and places, PDF pages, CDA documents, HL7 v2 messages."""
