"""The mail room: takes the mails of our mailboxes, files their documents, answers their senders."""
