"""Numbered migrations of our own tables: `NNNN_<what>.sql`, never edited once released."""
