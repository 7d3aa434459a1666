"""docs/certificates.md, written from the certificate's model; its example is a certificate that a run wrote."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from pydantic import BaseModel

from cli.certificate import show
from tributary.core.certificate import Certificate, Durations
from tributary.core.contract import Contract
from tributary.core.position import Position
from tributary.core.staged import ChunkRows, Part, Seconds

EXAMPLE = "certificate.example.json"


def certificates_page(folder: Path) -> str:
    """Markdown: every field, the levels of proof and what they cost, one example.

    :param folder: docs/, where the example lies.
    """
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        show(Certificate.from_json((folder / EXAMPLE).read_bytes()))
    return _PAGE.format(
        fields="\n".join(f"| `{name}` | {field.description} |" for name, field in Certificate.model_fields.items()),
        inside="\n".join(f"* `{name}`: {_names(model)}" for name, model in _INSIDE.items()),
        default=Contract.model_fields["certify"].default,
        example=shown.getvalue().strip(),
        file=EXAMPLE,
    )


_INSIDE: dict[str, type[BaseModel]] = {
    "position": Position,
    "chunks[]": ChunkRows,
    "chunks[].seconds": Seconds,
    "parts[]": Part,
    "seconds": Durations,
}


def _names(model: type[BaseModel]) -> str:
    return ", ".join(f"`{name}`" for name in model.model_fields)


_PAGE = """# Certificates

Written by `./lake docs` from `plugins/tributary/core/certificate.py`; a test fails where it is stale.

Every publish leaves one JSON object, `s3://<bucket>/_tributary/<dataset>/certificates/<window>/<attempt>.json`. It is created once and
never overwritten, and it is kept. `./lake certificate orders` prints the newest for people, `--day 2026-01-31` that of a day, `--json` all.

| field | what it says |
| --- | --- |
{fields}

Fields inside them:

{inside}

## Levels of proof

`certify` in `dataset.yaml`; the default is `{default}` ([why](decisions/0038-a-publish-proves-every-value-that-was-read.md)).
A publish happens only where everything that its level asks for is equal, for each part by itself:

* `count`: an independent COUNT of the server in the snapshot that is read, the rows that are read, and the rows that DuckDB decodes from
  the written files; and the NULLs per column. Finds lost and doubled rows; does not find a value that changed.
* `checksum`: the same, with the server's count of the rows that it sent in place of a scan
  ([why](decisions/0039-rows-are-counted-while-they-are-sent.md)); and one checksum per column, of the values as the reader decodes them and
  as DuckDB decodes the files. Finds any change between the reader and the lake: writing, storing, traded or overwritten files; does not
  find a value that the reader decodes wrongly.
* `source`: the independent COUNT, and also one checksum per column that the server computes over [canonical text](verify.md), in the
  same snapshot, and DuckDB from the files. Finds that too. Hashed values and columns with an `on_invalid` are left out and named in
  `uncertified`.

One million rows of about 130 bytes, MariaDB 10.11 and MySQL 9.7 with a buffer pool of 256 MB, all on two cores: seconds, and the share of
the read. `LAKE_CERTIFY_ROWS=1000000 ./lake test -- tests/operators/test_certify.py -k cost -s` measures it anew.

| server, mode | read | COUNT | checksums by the server | check task: `count` · `checksum` · `source` |
| --- | --: | --: | --: | --: |
| MariaDB, append, 5 days | 2.3 | 0.16 · 7 % | 5.8 · 254 % | 0.6 · 1.1 · 4.5 |
| MariaDB, snapshot, whole | 0.8 | 0.10 · 13 % | 4.8 · 623 % | 0.3 · 0.9 · 3.7 |
| MariaDB, snapshot, 6 chunks along the key | 1.1 | 0.17 · 16 % | 4.7 · 435 % | 0.3 · 0.7 · 3.9 |
| MySQL, append, 5 days | 2.3 | 0.25 · 11 % | 5.7 · 242 % | 0.7 · 1.3 · 4.2 |
| MySQL, snapshot, whole | 0.7 | 0.10 · 13 % | 4.4 · 616 % | 0.3 · 0.6 · 3.9 |
| MySQL, snapshot, 5 chunks along the key | 1.1 | 0.18 · 16 % | 4.5 · 405 % | 0.6 · 1.0 · 3.5 |

The COUNT is to stay below 30 % of the read: it comes after it, finds the chunk's pages in the server's memory, and decodes, sends and
writes nothing. Where the buffer pool is smaller than a chunk it reads them again (32 MB on a busy machine: 21 % on MariaDB, 45 % on MySQL):
lower `extract.mb_per_chunk` there. Each extract task logs what it took, and the certificate has it (`chunks[].seconds`). The reader's own
checksums are taken while it decodes, at every level.

## An example

A run of the sample shop, as `./lake certificate orders` prints it; [as it is stored]({file}).

```
{example}
```
"""
