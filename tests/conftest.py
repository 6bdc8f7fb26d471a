"""What holds for every test: how property tests explore, what coverage looks at, what starts first, what is heard.

Property tests explore anew on a developer's machine; continuous integration tries the same examples each time.

Tracing lines more than doubles the work of a test, and the tenth case of a test runs the lines of its first ones. So
coverage watches the first cases of each test and leaves properties alone: its figure is a lower bound. Every case runs.
"""

import collections
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import is_hypothesis_test, settings

settings.register_profile("exploring", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable" if os.environ.get("CI") else "exploring")

WATCHED_CASES = 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    cases: collections.Counter[str] = collections.Counter()
    for item in items:
        test = item.nodeid.partition("[")[0]
        cases[test] += 1
        if cases[test] > WATCHED_CASES or is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("no_cover")
    # The longest first: at the end, no process waits for another that has just begun one of them.
    items.sort(key=lambda item: item.get_closest_marker("crash") is None)


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Commands choose the level of the whole process: the next test hears everything again."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
