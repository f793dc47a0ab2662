"""Our errors as Airflow's: what a retry cannot mend fails at once."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_flinksql.errors import FlinkSqlError, OperationFailed, shown_lines

log = logging.getLogger(__name__)


class airflow_errors:
    """``with airflow_errors():`` one message and no more, for good or left to the task's ``retries``.

    A failed operation is left to them too: the next try may begin another attempt, which this one may not. The whole
    trace is logged at debug.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if not isinstance(error, FlinkSqlError):
            return
        log.debug("The whole trace: %s", shown_lines("".join(traceback.format_exception(error))))
        if error.retryable or isinstance(error, OperationFailed):
            raise error.with_traceback(None) from None
        raise AirflowFailException(f"{type(error).__name__}: {error}") from None
