"""No DAG: makes broken contracts visible. Their messages appear as one import error in the UI and in `airflow dags list-import-errors`."""

from __future__ import annotations

import os

from airflow.sdk import get_parsing_context

from tributary.core.contract_file import folders
from tributary.core.errors import ContractError
from tributary.settings import sql_dir

problems = []
if get_parsing_context().dag_id is None:  # a worker that runs a task has no use for this
    for folder in folders(sql_dir()):
        try:
            folder.load(os.environ)
        except ContractError as error:
            problems.append(str(error))
if problems:
    raise ContractError("\n".join(problems))
