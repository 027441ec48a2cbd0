"""The errors a person can cause, each told in one line: what is wrong and what to do."""


class OnarError(Exception):
    """Something failed; the message is one line for the person at the keyboard (exit code 1)."""


class UsageError(OnarError, ValueError):
    """An option or argument has a value it cannot have (exit code 2)."""
