"""One DAG per contract: every folder of include/sql with a dataset.yaml becomes the DAG of the same name.

Adding a table is adding a folder; nothing here changes. A contract that is broken is left out here and shown by
`contract_errors.py`, so that it takes no other dataset down.
"""

from __future__ import annotations

import os

from airflow.sdk import get_parsing_context

from tributary.core.contract_file import folders
from tributary.core.errors import ContractError
from tributary.pipeline import dataset_dag, sweep_dag, sweep_id
from tributary.settings import sql_dir

# A worker that runs one task names the DAG it needs: building the others would be wasted time in every task process.
wanted = get_parsing_context().dag_id

for folder in folders(sql_dir()):
    if wanted not in (None, folder.name, sweep_id(folder.name)):
        continue
    try:
        contract = folder.load(os.environ)
    except ContractError:
        continue
    if contract.dag == "generated":
        globals()[folder.name] = dataset_dag(contract, transformed=folder.sql("transform") is not None)
    if sweep := sweep_dag(contract):
        globals()[sweep.dag_id] = sweep
