"""Stores for every integration test."""

from tests.stores import *  # noqa: F403  # fixtures
