"""Real mail servers for tests: Postfix and Dovecot on loopback, with everything they write in a folder of their own."""
