"""MSSanté mails: addresses, headers, MIME, delivery status notifications. Bytes in, values out; no network."""
