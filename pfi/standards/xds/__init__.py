"""IHE XDS: metadata of documents and submission sets, and their ebRIM form (shared by the DMP and by IHE XDM)."""
