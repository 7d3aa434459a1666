from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self

OnInvalid = Literal["fail", "null", "string"]
Value = None | int | str | bytes

class Error(Exception):
    errno: int
    message: str
    sqlstate: str
    def __init__(self, errno: int, message: str, sqlstate: str = ...) -> None: ...

class Column:
    name: str
    kind: str
    precision: int
    scale: int
    on_invalid: OnInvalid
    repeats: bool
    def __init__(
        self, name: str, kind: str, *, precision: int = 0, scale: int = 0, on_invalid: OnInvalid = "fail", repeats: bool = False
    ) -> None: ...

class Invalid:
    column: str
    count: int
    row: int
    value: bytes
    keys: tuple[bytes | None, ...]

class Batch:
    num_rows: int
    nbytes: int
    checksums: tuple[int, ...]
    invalid: dict[str, int]
    failed: list[Invalid]
    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...

class Stream(Iterator[Batch]):
    warnings: int
    def __next__(self) -> Batch: ...
    def close(self) -> None: ...

class Connection:
    server_version: str
    thread_id: int
    def __init__(
        self,
        *,
        host: str | None = None,
        port: int = 3306,
        user: str | None = None,
        passwd: str | None = None,
        password: str | None = None,
        db: str | None = None,
        database: str | None = None,
        unix_socket: str | None = None,
        ssl: Mapping[str, str] | None = None,
        ssl_mode: str | None = None,
        init_command: str | None = None,
        read_default_file: str | None = None,
        read_default_group: str | None = None,
        connect_timeout: int = 10,
        read_timeout: int = 60,
        write_timeout: int = 60,
    ) -> None: ...
    @property
    def cipher(self) -> str | None: ...
    def fileno(self) -> int: ...
    def literal(self, value: Value) -> str: ...
    def rows(self, sql: str, values: Iterable[Value] = ()) -> tuple[list[str], list[tuple[bytes | None, ...]]]: ...
    def stream(
        self,
        sql: str,
        columns: Iterable[Column],
        *,
        values: Iterable[Value] = (),
        batch_rows: int = 65_536,
        batch_bytes: int = ...,
        keys: Sequence[int] = (),
        binary: bool = True,
    ) -> Stream: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

def checksum(array: object) -> int: ...
def checksums(batch: object) -> tuple[int, ...]: ...
