"""Neighbours of the engine, one folder each. The engine finds them by entry point (`docs/architecture.md`)."""
