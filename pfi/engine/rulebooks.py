"""The rules in force, and how others take their place without a restart."""

from pfi.routing.rules import RuleBook


class Rulebooks:
    """Holds the one book that every decision of this process is made with. A change is one assignment: a decision is
    made wholly with the old rules or wholly with the new ones."""

    def __init__(self, book: RuleBook) -> None:
        self.book = book
