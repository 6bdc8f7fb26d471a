"""The sandbox's DMP: TD0.2, TD2.1, TD3.1a/b, TD3.2 and TD3.3c over SOAP 1.2 with mutual TLS (DMP digest §1 and §2)."""
