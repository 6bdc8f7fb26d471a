"""What holds for every test: how property tests explore, and what coverage looks at.

Property tests explore anew on a developer's machine; continuous integration tries the same examples each time.

Tracing lines more than doubles the work of a test, and the tenth case of a test runs the lines of its first ones. So
coverage watches the first cases of each test and leaves properties alone: its figure is a lower bound. Every case runs.
"""

import collections
import os

import pytest
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
