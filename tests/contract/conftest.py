"""Real mail servers for the contract tests that can use them."""

from tests.mailservers.fixtures import *  # noqa: F403  # fixtures
