"""IHE XDM: the IHE_XDM.ZIP archive that carries CDA documents by mail (ITI-32, French profile)."""
