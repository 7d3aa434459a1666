"""What happens to a Delta table's columns when the staged ones differ: new ones join, missing ones stay as NULL, types stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tributary.core.errors import ContractError

if TYPE_CHECKING:
    from deltalake import Schema


def grown(dataset: str, uri: str, table: Schema, staged: Schema) -> tuple[Schema, tuple[str, ...]]:
    """The table's schema with the staged columns in it, and labels for the certificate.

    :raises ContractError: where a column changed its type, or differs from another only in case.
    """
    from deltalake import Schema as DeltaSchema

    there = {field.name: field for field in table.fields}
    folded = {name.lower(): name for name in there}
    added, problems = [], []
    for field in staged.fields:
        known = there.get(field.name)
        if known is None and field.name.lower() in folded:
            problems.append(f"column {field.name!r} differs from the table's {folded[field.name.lower()]!r} only in case")
        elif known is None:
            added.append(field)
        elif known.type != field.type:
            problems.append(f"column {field.name!r} is {_type(known.type)} in the table and {_type(field.type)} at the source now")
    if problems:
        raise ContractError(
            f"{dataset}: {'; '.join(problems)} ({uri}); nothing was published. Publish under a new dataset name, "
            "or empty the table's folder and load it again"
        )
    gone = sorted(set(there) - {field.name for field in staged.fields})
    labels = tuple(f"column {name} is no longer read: NULL in the new rows" for name in gone)
    return (DeltaSchema([*table.fields, *added]) if added else table), labels


def _type(kind: object) -> str:
    return str(getattr(kind, "type", kind))
