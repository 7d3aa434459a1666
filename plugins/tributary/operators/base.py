"""StepOperator: the base of every step of the chain; the one place where our errors meet Airflow's retry rules."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from tributary.core.errors import TerminalError

if TYPE_CHECKING:
    from airflow.sdk import Context


class StepOperator(BaseOperator):
    """A step of a run. Subclasses implement `run`; `execute` translates what it raises.

    :raises AirflowFailException: where a retry would fail in the same way (`TerminalError`); Airflow then does not retry.
    :raises TransientError: on an outage or a conflict; Airflow retries the task, which reads nothing of the dead attempt.
    """

    def execute(self, context: Context) -> Any:
        """Run the step."""
        return self.translated(self.run, context)

    def translated(self, step: Callable[..., Any], *args: Any) -> Any:
        """Call `step`; its terminal errors end the task without a retry."""
        try:
            return step(*args)
        except TerminalError as error:
            raise AirflowFailException(str(error)) from error

    @abstractmethod
    def run(self, context: Context) -> Any:
        """Do the work; return a small JSON-able value."""
