"""Stores for the crash tests."""

from tests.stores import *  # noqa: F403  # fixtures
