"""The key of hashed columns, from Airflow's connections."""

from __future__ import annotations

from collections.abc import Mapping

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from tributary.core.contract_fields import ColumnPolicy
from tributary.core.masking import needs_key

MASKING_CONN_ID = "masking"


def masking_key(policies: Mapping[str, ColumnPolicy]) -> bytes | None:
    """Password of the Airflow connection `masking`; None where no column is hashed or there is none, which `Masking` then refuses."""
    if not needs_key(policies):
        return None
    try:
        password = BaseHook.get_connection(MASKING_CONN_ID).password
    except AirflowNotFoundException:
        return None
    return password.encode() if password else None
