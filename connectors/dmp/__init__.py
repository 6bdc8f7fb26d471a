"""Connector to the DMP: XDS.b over SOAP 1.2 with MTOM, mutual TLS and VIHF, in indirect authentication."""
