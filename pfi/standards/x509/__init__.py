"""X.509: loading the keys and certificates of the establishment, and a throw-away authority for tests."""
