"""The PFI: an open-source *plateforme d'intermédiation* for French hospitals."""

__version__ = "0.1.0"
