"""The sandbox's MSSanté operator: submission by SMTP, mailboxes on disk, delivery reports (mssante digest)."""
