"""Real mail servers for every test of this folder."""

from tests.mailservers.fixtures import *  # noqa: F403  # fixtures
