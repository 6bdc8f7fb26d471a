"""PDF/A-1b judged by a validator that shares nothing with us: Apache PDFBox Preflight, on what the PFI renders."""
