"""TransformShape: which columns a transform.sql hands on unchanged, row by row; only those can be compared with the source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Parts of a SELECT that leave rows out, or order them.
_LEAVES_OUT = ("where_clause", "qualify", "sample", "modifiers")
# Functions in a select list that give several rows for one.
_MULTIPLIES = {"unnest", "unlist"}


def passed_columns(tree: Mapping[str, Any], view: str, columns: Iterable[str], *, fewer: bool = False) -> frozenset[str] | None:
    """Columns that the query hands on as they are, under their own names; None where it does not give one row for each row it reads.

    :param tree: what DuckDB's `json_serialize_sql` says of the query.
    :param view: the one relation that it may read.
    :param columns: of the view.
    :param fewer: also of a query that leaves rows out; each row that it gives is still one that it read.
    """
    statements: list[Any] = tree.get("statements") or []
    node = statements[0]["node"] if len(statements) == 1 else {}
    if not _is_row_by_row(node, view) or not (fewer or _gives_all(node)):
        return None
    known = {name.lower(): name for name in columns}
    passed: set[str] = set()
    computed: set[str] = set()
    for item in node["select_list"]:
        name = (item.get("alias") or (item.get("column_names") or [""])[-1]).lower()
        if item.get("class") == "STAR":
            if item.get("columns") or item.get("expr"):  # COLUMNS(…) computes
                return None
            lists = ("exclude_list", "qualified_exclude_list", "replace_list", "rename_list")
            passed |= set(known) - {entry.lower() for name in lists for entry in _names(item.get(name))}
            computed |= {str(entry.get("value")).lower() for entry in item.get("rename_list") or () if isinstance(entry, Mapping)}
        elif item.get("class") == "COLUMN_REF" and item["column_names"][-1].lower() == name and name in known:
            passed.add(name)
        else:
            computed.add(name)
    return frozenset(known[name] for name in passed - computed)


def _is_row_by_row(node: Mapping[str, Any], view: str) -> bool:
    source = node.get("from_table") or {}
    return (
        node.get("type") == "SELECT_NODE"
        and source.get("type") == "BASE_TABLE"
        and str(source.get("table_name", "")).lower() == view
        and not source.get("column_name_alias")  # new names, in the view's order
        and not node.get("having")
        and not (node.get("group_expressions") or node.get("group_sets"))
        and node.get("aggregate_handling", "STANDARD_HANDLING") == "STANDARD_HANDLING"
        and not (node.get("cte_map") or {}).get("map")
        and not any(_MULTIPLIES & _functions(item) for item in node["select_list"])
    )


def _gives_all(node: Mapping[str, Any]) -> bool:
    return not any(node.get(part) for part in _LEAVES_OUT) and not node["from_table"].get("sample")


def _functions(tree: Any) -> set[str]:
    """Names of all functions in an expression."""
    if isinstance(tree, Mapping):
        own = {str(tree["function_name"]).lower()} if "function_name" in tree else set()
        return own.union(*(_functions(value) for value in tree.values()))
    return set().union(*(_functions(value) for value in tree)) if isinstance(tree, list) else set()


def _names(entries: Any) -> Iterable[str]:
    """Names in an exclude, replace or rename list, whose form differs between DuckDB's versions."""
    for entry in entries or ():
        if isinstance(entry, Mapping):
            key = entry.get("key", entry)
            yield str(key["column"] if isinstance(key, Mapping) and "column" in key else key)
        else:
            yield str(entry)
