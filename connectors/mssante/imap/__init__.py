"""Reading the PFI's application mailboxes over IMAP (MSSanté digest §9)."""
