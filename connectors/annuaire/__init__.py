"""Annuaire Santé: published MSSanté mailboxes of professionals and structures."""
