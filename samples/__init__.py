"""Synthetic messages and documents written for this project. No real person, no copied text (see README.md)."""
