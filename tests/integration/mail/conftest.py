"""Real mail servers for every test of this folder, and the sandbox's operator in their place."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.sandbox.sandbox import Sandbox
from tests.integration.mail.hospitals import Post, RealPost, SandboxPost
from tests.mailservers.fixtures import *  # noqa: F403  # fixtures


@pytest.fixture(params=["postfix", "sandbox"])
async def post(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Post]:
    if request.param == "postfix":
        yield RealPost(request.getfixturevalue("mail_servers"))
        return
    async with Sandbox(tmp_path / "sandbox") as sandbox:
        yield SandboxPost(sandbox)
