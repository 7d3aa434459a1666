"""A pool for each source that a contract names: tasks of a pool that does not exist would wait for ever."""

from __future__ import annotations

import os

from airflow.models.pool import Pool

from tributary.core.contract_file import folders
from tributary.core.errors import ContractError
from tributary.core.source_pool import DEFAULT_SLOTS, described, pool_name
from tributary.settings import sql_dir


def main() -> None:
    """Make the pools that are missing; those that are there keep the slots that somebody gave them."""
    for connection, connections in sorted(_wanted().items()):
        name = pool_name(connection)
        if Pool.get_pool(name) is None:
            Pool.create_or_update_pool(name, max(DEFAULT_SLOTS, connections), described(connection), include_deferred=False)


def _wanted() -> dict[str, int]:
    """Airflow connection -> the most slots that one task of it takes."""
    found: dict[str, int] = {}
    for folder in folders(sql_dir()):
        try:
            contract = folder.load(os.environ)
        except ContractError:  # the DAG processor says so, in the UI
            continue
        source = contract.source.connection
        found[source] = max(found.get(source, 0), contract.extract.connections)
    return found


if __name__ == "__main__":
    main()
