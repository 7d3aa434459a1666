"""MySQL tables into an S3 lake: exact rows, whole windows, one atomic publish.

    MySQL ──extract──> exact Arrow batches ──transform──> DuckDB SQL ──check──> proof ──publish──> S3 lake ──event──> the rest

One Airflow DAG per dataset, written in one place (`pipeline.py`):

    wait_until_safe ─> plan ─> extract[chunk group …] ─> transform ─> check ─> publish

Imports go one way, and `tests/test_layers.py` holds us to it:

    dags -> pipeline -> operators -> publishers, triggers -> hooks -> core

`core/` is pure: no Airflow, no S3 client, no database driver. Its modules hold one noun each: the words of `docs/glossary.md`.
"""
