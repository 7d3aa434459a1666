"""What happens to a Delta table's columns when the staged ones differ: new ones join, missing ones stay as NULL, types may become wider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tributary.core.errors import ContractError
from tributary.core.type_change import lake_holds

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import Schema
    from deltalake.schema import Field


@dataclass(frozen=True, slots=True)
class Grown:
    """The table's schema with the staged columns in it."""

    schema: Schema
    labels: tuple[str, ...]  # for the certificate
    widened: frozenset[str] = frozenset()  # columns whose older files hold a narrower type


def grown(dataset: str, uri: str, table: Schema, staged: Schema) -> Grown:
    """The table's schema with the staged columns in it.

    :raises ContractError: where a column's new type does not hold its old values, or it differs from another only in case.
    """
    from deltalake import Schema as DeltaSchema

    there = {field.name: field for field in table.fields}
    folded = {name.lower(): name for name in there}
    fields, widened, problems = dict(there), set(), []
    for field in staged.fields:
        known = there.get(field.name)
        if known is None and field.name.lower() in folded:
            problems.append(f"column {field.name!r} differs from the table's {folded[field.name.lower()]!r} only in case")
        elif known is None:
            fields[field.name] = field
        elif known.type != field.type and lake_holds(_arrow(field), _arrow(known)):
            fields[field.name] = field
            widened.add(field.name)
        elif known.type != field.type:
            problems.append(f"column {field.name!r} is {_type(known.type)} in the table and {_type(field.type)} in this run")
            if lake_holds(_arrow(known), _arrow(field)):
                problems[-1] += ", which was planned before the table was widened: clear its task 'plan' with the tasks after it"
    if problems:
        raise ContractError(
            f"{dataset}: {'; '.join(problems)} ({uri}); nothing was published. If the type was changed on purpose, publish under a new "
            "dataset name, or empty the table's folder and load it again"
        )
    gone = sorted(set(there) - {field.name for field in staged.fields})
    labels = tuple(f"column {name} is no longer read: NULL in the new rows" for name in gone)
    same = list(fields.values()) == list(there.values())
    return Grown(table if same else DeltaSchema(list(fields.values())), labels, frozenset(widened))


def _arrow(field: Field) -> pa.DataType:
    import pyarrow as pa

    return pa.field(field.to_arrow()).type


def _type(kind: object) -> str:
    return str(getattr(kind, "type", kind))
