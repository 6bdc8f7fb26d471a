"""The PDF that goes with each CDA document of a mail (MSSanté digest §4.6): taken as it is, or rendered in PDF/A-1."""
