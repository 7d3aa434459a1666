"""Where the datasets' folders are, and what `${NAME}` in a contract may stand for."""

from __future__ import annotations

import os
from pathlib import Path

from tributary.core.contract import Contract
from tributary.core.contract_file import ContractFolder, find


def sql_dir() -> Path:
    """`include/sql` beside `plugins/`, or TRIBUTARY_SQL_DIR where a deployment keeps it elsewhere."""
    configured = os.environ.get("TRIBUTARY_SQL_DIR")
    return Path(configured) if configured else Path(__file__).resolve().parents[2] / "include" / "sql"


def load_dataset(dataset: str) -> tuple[Contract, ContractFolder]:
    """The contract of one dataset and its folder.

    :raises ContractError: where it does not exist or is invalid.
    """
    folder = find(sql_dir(), dataset)
    return folder.load(os.environ), folder
