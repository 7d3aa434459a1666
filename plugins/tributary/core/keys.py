"""Every object key of the project is made here. Table data and our own records never share a prefix: plain readers read all they find."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from tributary.core.window import Window

RECORDS = "_tributary"


def records_prefix(prefix: str) -> str:
    """Where the records lie of tables under `prefix`: beside it, so that a key which may only touch `team/*` can hold a whole lake."""
    parent = prefix.rpartition("/")[0]
    return f"{parent}/{RECORDS}" if parent else RECORDS


@dataclass(frozen=True, slots=True)
class DatasetKeys:
    """Keys of one dataset inside the bucket."""

    dataset: str
    prefix: str = "tables"

    @property
    def table(self) -> str:
        """Folder of the table's data, without a slash at its end."""
        return f"{self.prefix}/{self.dataset}"

    def partition(self, column: str, day: date) -> str:
        """Hive-style folder of one partition."""
        return f"{self.table}/{column}={day.isoformat()}"

    def published_object(self, column: str | None, day: date | None) -> str:
        """The one object of a partition (or of the whole table) in format parquet: a fixed key, replaced atomically."""
        folder = self.table if column is None or day is None else self.partition(column, day)
        return f"{folder}/data.parquet"

    def delta_part(self, column: str | None, day: date | None, attempt: str, number: int) -> str:
        """A Delta part at its final place: invisible until a commit names it."""
        folder = self.table if column is None or day is None else self.partition(column, day)
        return f"{folder}/part-{attempt}-{number:05d}.parquet"

    def run(self, run_id: str, attempt: str) -> str:
        """Folder of one attempt of one run's task. Airflow's run ids hold ':' and '+', which S3 tools quote in different ways."""
        safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in run_id)
        return f"{records_prefix(self.prefix)}/{self.dataset}/runs/{safe}/{attempt}"

    def run_part(self, run_id: str, attempt: str, number: int) -> str:
        """A part that later steps read and readers never see."""
        return f"{self.run(run_id, attempt)}/part-{number:05d}.parquet"

    def chunk_record(self, run_id: str, plan_hash: str, index: int) -> str:
        """The record that a chunk of a plan is written: the same key for every attempt, so that a retry finds it."""
        return f"{self.run(run_id, 'chunks')}/{plan_hash}/{index:05d}.json"

    def removed_keys(self, run_id: str, attempt: str) -> str:
        """Keys of the rows that a commit removes from the table, for later publishers of older readings. `attempt`: of this writing."""
        return f"{self.run(run_id, attempt)}/removed.parquet"

    def sweep_record(self, attempt: str) -> str:
        """The certificate of one sweep."""
        return f"{self.sweeps}/{attempt}.json"

    @property
    def sweeps(self) -> str:
        """Folder of the certificates of sweeps, without a slash at its end."""
        return f"{records_prefix(self.prefix)}/{self.dataset}/sweeps"

    def schema_record(self, seen_at: datetime, fingerprint: str) -> str:
        """One state of the source's columns; the names of later ones sort after those of earlier ones."""
        return f"{self.schemas}/{seen_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{fingerprint}.json"

    @property
    def schemas(self) -> str:
        """Folder of the states of the source's columns, without a slash at its end."""
        return f"{records_prefix(self.prefix)}/{self.dataset}/schemas"

    def rewrite(self, attempt: str) -> str:
        """That a publish in format parquet writes older objects anew."""
        return f"{self.rewrites}/{attempt}.arrow"

    @property
    def rewrites(self) -> str:
        """Folder of those records, without a slash at its end."""
        return f"{records_prefix(self.prefix)}/{self.dataset}/rewrites"

    def certificate(self, window: Window, attempt: str) -> str:
        """One per publish: a second writing of the same publish meets the same key."""
        return f"{self.certificates}/{window.label}/{attempt}.json"

    @property
    def certificates(self) -> str:
        """Folder of all certificates, without a slash at its end."""
        return f"{records_prefix(self.prefix)}/{self.dataset}/certificates"
