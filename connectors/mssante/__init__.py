"""MSSanté: document mails submitted by SMTP to the hospital's operator."""
