"""XML signatures: canonical forms, the enveloped signature of an assertion, the XAdES signature of a lot."""
