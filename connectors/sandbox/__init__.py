"""The sandbox: the national services and a DPI on one's own machine, as strict as the real ones.

It judges what the engine sends, so it shares nothing with the engine's builders (SOAP, SAML, XDS, XDM, mail): every
rule is written again here, from the standards. Loopback only, test identities only.
"""
