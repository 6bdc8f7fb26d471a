"""Verification of an INS by the national teleservice INSi: optional, off by default (INS digest §7)."""
