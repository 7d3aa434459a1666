"""What can go wrong with the stack, as one sentence each."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot do what was asked; the message is one sentence that says what to do."""


class Unhealthy(Exception):
    """A health check found the service not (yet) able to work; the message says how it showed."""
