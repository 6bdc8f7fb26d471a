"""Changes of the text of a request, to make it wrong in one place."""

import re
from collections.abc import Callable

Edit = Callable[[str], str]


def same(text: str) -> str:
    return text


def swap(old: str, new: str) -> Edit:
    """Replaces a text that must be there."""

    def edit(text: str) -> str:
        assert old in text, old
        return text.replace(old, new)

    return edit


def drop(pattern: str) -> Edit:
    """Removes the first match of a pattern that must match."""

    def edit(text: str) -> str:
        changed, count = re.subn(pattern, "", text, count=1, flags=re.DOTALL)
        assert count == 1, pattern
        return changed

    return edit


def drop_slot(name: str) -> Edit:
    return drop(rf'<rim:Slot name="{name}">.*?</rim:Slot>')


def with_slot(name: str, value: str) -> Edit:
    return lambda text: re.sub(rf'(<rim:Slot name="{name}"><rim:ValueList><rim:Value>)[^<]*', rf"\g<1>{value}", text)
