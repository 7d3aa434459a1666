"""MySQL rows as exact Arrow record batches: a connection of its own over libmariadb or libmysqlclient, decoding in C without the GIL."""

import socket
import threading
import weakref

cimport cython
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc


cdef extern from "arrow.h" nogil:
    cdef struct ArrowSchema:
        const char *format
        int64_t n_children
        ArrowSchema **children
        void (*release)(ArrowSchema *)

    cdef struct ArrowArray:
        int64_t length
        int64_t n_children
        ArrowArray **children
        void (*release)(ArrowArray *)

    cdef struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream *, ArrowSchema *)
        int (*get_next)(ArrowArrayStream *, ArrowArray *)
        const char *(*get_last_error)(ArrowArrayStream *)
        void (*release)(ArrowArrayStream *)


cdef extern from "checksum.h" nogil:
    int checksum_array(const ArrowSchema *schema, const ArrowArray *array, uint64_t *sum)


cdef extern from "mysql.h" nogil:
    ctypedef char **MYSQL_ROW
    ctypedef struct NET:
        int fd
    ctypedef struct MYSQL:
        NET net
    ctypedef struct MYSQL_RES:
        pass
    ctypedef struct MYSQL_FIELD:
        char *name
    ctypedef enum mysql_option "enum mysql_option":
        pass
    MYSQL *mysql_init(MYSQL *)
    int mysql_options(MYSQL *, mysql_option, const void *)
    MYSQL *mysql_real_connect(MYSQL *, const char *, const char *, const char *, const char *, unsigned int, const char *, unsigned long)
    int mysql_ssl_set(MYSQL *, const char *, const char *, const char *, const char *, const char *)
    const char *mysql_get_ssl_cipher(MYSQL *)
    const char *mysql_get_server_info(MYSQL *)
    unsigned long mysql_thread_id(MYSQL *)
    unsigned int mysql_errno(MYSQL *)
    const char *mysql_error(MYSQL *)
    const char *mysql_sqlstate(MYSQL *)
    int mysql_real_query(MYSQL *, const char *, unsigned long)
    MYSQL_RES *mysql_store_result(MYSQL *)
    unsigned int mysql_field_count(MYSQL *)
    unsigned int mysql_num_fields(MYSQL_RES *)
    MYSQL_FIELD *mysql_fetch_fields(MYSQL_RES *)
    MYSQL_ROW mysql_fetch_row(MYSQL_RES *)
    unsigned long *mysql_fetch_lengths(MYSQL_RES *)
    void mysql_free_result(MYSQL_RES *)
    unsigned long mysql_real_escape_string(MYSQL *, char *, const char *, unsigned long)
    void mysql_close(MYSQL *)
    mysql_option MYSQL_OPT_CONNECT_TIMEOUT, MYSQL_OPT_READ_TIMEOUT, MYSQL_OPT_WRITE_TIMEOUT, MYSQL_OPT_LOCAL_INFILE
    mysql_option MYSQL_OPT_MAX_ALLOWED_PACKET, MYSQL_SET_CHARSET_NAME, MYSQL_INIT_COMMAND
    mysql_option MYSQL_READ_DEFAULT_FILE, MYSQL_READ_DEFAULT_GROUP


cdef extern from "tls.h" nogil:
    int demand_tls(MYSQL *, int verify_chain, int verify_host, int ca_alone)


cdef extern from "batch.h" nogil:
    ctypedef enum column_kind:
        KIND_BOOL, KIND_INTEGER, KIND_DECIMAL, KIND_FLOAT32, KIND_FLOAT64, KIND_DATE, KIND_TIMESTAMP, KIND_TIME
        KIND_UTF8, KIND_LATIN1, KIND_CONVERTED, KIND_BINARY, KIND_GEOMETRY

    ctypedef enum invalid_policy:
        INVALID_FAIL, INVALID_NULL, INVALID_STRING

    cdef enum:
        SAMPLE_NULL

    ctypedef struct sample:
        uint8_t length
        uint8_t *bytes

    ctypedef struct dictionary:
        pass

    ctypedef struct column:
        column_kind kind
        invalid_policy on_invalid
        int width, precision, scale
        const char *name
        const char *format
        bint repeats
        size_t usual_size, size
        const dictionary *texts
        int64_t nulls, invalid, sample_row
        sample *samples
        uint64_t checksum

    ctypedef struct batch:
        int count, key_count
        column *columns
        int *keys
        int64_t usual_rows
        int64_t rows
        size_t bytes

    ctypedef enum fetch_status:
        FETCH_MORE, FETCH_END, FETCH_SERVER_ERROR, FETCH_NO_MEMORY, FETCH_TOO_LARGE

    int export_batch(batch *, ArrowSchema *, ArrowArray *)
    void clear_batch(batch *)


cdef extern from "rows.h" nogil:
    ctypedef struct rows:
        unsigned int count, warnings

    fetch_status fetch_batch(rows *, batch *, int64_t max_rows, size_t max_bytes)
    int rows_open(rows *, MYSQL *, const char *sql, unsigned long length, batch *described, bint binary)
    bint rows_are_open(const rows *)
    unsigned int rows_errno(const rows *)
    const char *rows_error(const rows *)
    const char *rows_sqlstate(const rows *)
    void rows_close(rows *)


# What the client library says by itself: https://dev.mysql.com/doc/mysql-errors/en/client-error-reference.html
CR_SERVER_LOST = 2013
CR_SSL_CONNECTION_ERROR = 2026
# The protocol's largest value.
MAX_PACKET_BYTES = 1 << 30


class Error(Exception):
    """What the server or the client library says; `errno` is MySQL's number, `sqlstate` its class.

    `args` are `(errno, message)`, as other drivers have them.
    """

    def __init__(self, errno, message, sqlstate="HY000"):
        super().__init__(errno, message)
        self.errno = errno
        self.message = message
        self.sqlstate = sqlstate

    def __reduce__(self):
        return type(self), (self.errno, self.message, self.sqlstate)


cdef object _error(MYSQL *mysql):
    return _made_error(mysql_errno(mysql), mysql_error(mysql), mysql_sqlstate(mysql))


cdef object _made_error(unsigned int errno, const char *message, const char *sqlstate):
    return Error(errno, (<bytes>message).decode("utf-8", "replace"), (<bytes>sqlstate).decode("ascii", "replace"))


# kind -> (how it is parsed, bytes of a value or -1 behind offsets, Arrow format)
cdef dict _KINDS = {
    "bool": (KIND_BOOL, 0, b"b"),
    "int8": (KIND_INTEGER, 1, b"c"),
    "int16": (KIND_INTEGER, 2, b"s"),
    "int32": (KIND_INTEGER, 4, b"i"),
    "int64": (KIND_INTEGER, 8, b"l"),
    "decimal": (KIND_DECIMAL, 16, b"d:%d,%d"),
    "float32": (KIND_FLOAT32, 4, b"f"),
    "float64": (KIND_FLOAT64, 8, b"g"),
    "date": (KIND_DATE, 4, b"tdD"),
    "datetime": (KIND_TIMESTAMP, 8, b"tsu:"),
    "timestamp": (KIND_TIMESTAMP, 8, b"tsu:UTC"),
    "time": (KIND_TIME, 8, b"l"),
    "utf8": (KIND_UTF8, -1, b"u"),
    "latin1": (KIND_LATIN1, -1, b"u"),
    "converted": (KIND_CONVERTED, -1, b"u"),
    "binary": (KIND_BINARY, -1, b"z"),
    "geometry": (KIND_GEOMETRY, -1, b"z"),
}
cdef tuple _TEXTS = ("utf8", "latin1", "converted")
cdef dict _POLICIES = {"fail": INVALID_FAIL, "null": INVALID_NULL, "string": INVALID_STRING}


class Column:
    """How one column of a result is decoded.

    :param kind: bool, int8 … int64, decimal, float32, float64, date, datetime (no zone), timestamp (UTC), time (int64 microseconds), utf8,
        latin1 (MySQL's, which is cp1252), converted (UTF-8 in which the byte FF marks what could not be converted), binary, geometry.
    :param precision, scale: of a decimal, at most 38 digits.
    :param on_invalid: what becomes of a value that has no exact equal. fail: NULL, counted, and the batch has a sample of it · null: NULL,
        counted · string: the whole column is a string, and the value is the server's text.
    :param repeats: of text (utf8, latin1, converted): batches hold it as an Arrow dictionary, int32 to utf8, up to the one that has more
        than 1,024 different texts, or one of more than 64 bytes, or one that is not stored as the server sends it.
    :raises ValueError: on anything else.
    """

    __slots__ = ("name", "kind", "on_invalid", "precision", "scale", "repeats")

    def __init__(self, name, kind, *, precision=0, scale=0, on_invalid="fail", repeats=False):
        if kind not in _KINDS:
            raise ValueError(f"column {name!r}: there is no kind {kind!r}; there is {', '.join(_KINDS)}")
        if on_invalid not in _POLICIES:
            raise ValueError(f"column {name!r}: on_invalid is {on_invalid!r}; there is {', '.join(_POLICIES)}")
        if kind == "decimal" and not (1 <= precision <= 38 and 0 <= scale <= precision):
            raise ValueError(f"column {name!r}: there is no decimal({precision},{scale}); up to 38 digits, the scale among them")
        if on_invalid == "string" and kind in ("binary", "geometry"):
            raise ValueError(f"column {name!r}: bytes cannot become a string")
        if repeats and kind not in _TEXTS:
            raise ValueError(f"column {name!r}: {kind} is no text; {', '.join(_TEXTS)} may repeat")
        self.name = name
        self.kind = kind
        self.precision = precision
        self.scale = scale
        self.on_invalid = on_invalid
        self.repeats = repeats


class Invalid:
    """Values of one column of one batch that have no exact equal.

    `row` is the first one's number in the batch, `value` its first 80 bytes, `keys` the first 80 bytes of that row's key columns.
    """

    __slots__ = ("column", "count", "row", "value", "keys")

    def __init__(self, column, count, row, value, keys):
        self.column = column
        self.count = count
        self.row = row
        self.value = value
        self.keys = keys


cdef object _sampled(const sample *kept):
    return None if kept.length == SAMPLE_NULL else (<char *>kept.bytes)[:kept.length]


cdef class Batch:
    """Some rows. Whatever reads the Arrow PyCapsule interface takes them over, once: `pyarrow.record_batch(batch)`.

    `checksums` has a number per column, `invalid` counts by column under the policies null and string, `failed` what the policy fail met.
    """

    cdef batch held
    cdef object owner  # of the columns' names and formats, which C points to
    cdef readonly int64_t num_rows
    cdef readonly size_t nbytes
    cdef readonly tuple checksums
    cdef readonly dict invalid
    cdef readonly list failed
    cdef bint taken

    def __arrow_c_array__(self, requested_schema=None):
        cdef ArrowSchema *schema
        cdef ArrowArray *array
        if self.taken:
            raise ValueError("the batch was taken already; it can be taken once")
        schema = <ArrowSchema *>calloc(1, sizeof(ArrowSchema))
        array = <ArrowArray *>calloc(1, sizeof(ArrowArray))
        if schema == NULL or array == NULL or export_batch(&self.held, schema, array):
            free(schema)
            free(array)
            raise MemoryError
        self.taken = True
        return PyCapsule_New(schema, "arrow_schema", _drop_schema), PyCapsule_New(array, "arrow_array", _drop_array)

    def __dealloc__(self):
        clear_batch(&self.held)
        free(self.held.columns)


cdef void _drop_schema(object capsule) noexcept:
    cdef ArrowSchema *schema = <ArrowSchema *>PyCapsule_GetPointer(capsule, "arrow_schema")
    if schema.release != NULL:
        schema.release(schema)
    free(schema)


cdef void _drop_array(object capsule) noexcept:
    cdef ArrowArray *array = <ArrowArray *>PyCapsule_GetPointer(capsule, "arrow_array")
    if array.release != NULL:
        array.release(array)
    free(array)


cdef bytes _optional(value):
    return None if value is None else str(value).encode()


cdef const char *_pointer(bytes value):
    return NULL if value is None else <const char *>value


cdef class Connection:
    """An open connection: UTF-8, no local files, one statement at a time. One thread uses it; any may call `cancel`.

    :param host, port, user, passwd, db, unix_socket, init_command, read_default_file, read_default_group: as other drivers have them;
        `password` and `database` are other names of `passwd` and `db`.
    :param ssl: files `ca`, `capath`, `cert`, `key`, and `cipher`. With a `ca` or `capath` the server's certificate and name are verified.
    :param ssl_mode: DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY. libmariadb verifies the name with VERIFY_CA too.
    :param connect_timeout, read_timeout, write_timeout: seconds.
    :raises Error: where the server refuses or cannot be reached, also where it has no TLS and `ssl` or `ssl_mode` demands it.
    :raises ValueError: on an `ssl_mode` or a key of `ssl` that does not exist.
    """

    cdef MYSQL *mysql
    cdef int fd
    cdef object lock  # held by whoever is inside the client library
    cdef object streaming  # weak reference to the stream that was opened last
    cdef readonly str server_version
    cdef readonly unsigned long thread_id

    def __cinit__(self):
        self.mysql = NULL
        self.fd = -1

    def __init__(
        self, *, host=None, port=3306, user=None, passwd=None, password=None, db=None, database=None, unix_socket=None, ssl=None,
        ssl_mode=None, init_command=None, read_default_file=None, read_default_group=None, connect_timeout=10, read_timeout=60,
        write_timeout=60,
    ):
        if self.mysql != NULL:
            raise ValueError("the connection is open already")
        self.lock = threading.Lock()
        self.mysql = mysql_init(NULL)
        if self.mysql == NULL:
            raise MemoryError
        self._set_number(MYSQL_OPT_CONNECT_TIMEOUT, connect_timeout)
        self._set_number(MYSQL_OPT_READ_TIMEOUT, read_timeout)
        self._set_number(MYSQL_OPT_WRITE_TIMEOUT, write_timeout)
        self._set_number(MYSQL_OPT_LOCAL_INFILE, 0)
        cdef unsigned long packet = MAX_PACKET_BYTES
        mysql_options(self.mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet)
        for option, value in (
            (<int>MYSQL_SET_CHARSET_NAME, "utf8mb4"), (<int>MYSQL_INIT_COMMAND, init_command),
            (<int>MYSQL_READ_DEFAULT_FILE, read_default_file), (<int>MYSQL_READ_DEFAULT_GROUP, read_default_group),
        ):
            if value:
                self._set_text(option, str(value).encode())
        wants_tls = self._set_tls(dict(ssl or {}), ssl_mode)
        self._connect(
            _optional(host), _optional(user), _optional(passwd if passwd is not None else password), _optional(db or database), port,
            _optional(unix_socket),
        )
        if wants_tls and mysql_get_ssl_cipher(self.mysql) == NULL:
            self.close()
            raise Error(CR_SSL_CONNECTION_ERROR, "TLS is demanded and the server answers without it")

    cdef _set_number(self, int option, unsigned int value):
        mysql_options(self.mysql, <mysql_option>option, &value)

    cdef _set_text(self, int option, bytes value):
        mysql_options(self.mysql, <mysql_option>option, <const char *>value)

    cdef bint _set_tls(self, dict files, mode) except -1:
        unknown = sorted(set(files) - {"ca", "capath", "cert", "key", "cipher"})
        if unknown:
            raise ValueError(f"ssl: there is no {unknown[0]!r}; there is ca, capath, cert, key and cipher")
        if mode not in (None, "DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"):
            raise ValueError(f"ssl_mode: there is no {mode!r}; there is DISABLED, PREFERRED, REQUIRED, VERIFY_CA and VERIFY_IDENTITY")
        if mode == "DISABLED":
            return False
        names = {name: _optional(files.get(name)) for name in ("key", "cert", "ca", "capath", "cipher")}
        cdef bytes key = names["key"], cert = names["cert"], ca = names["ca"], capath = names["capath"], cipher = names["cipher"]
        if files:
            mysql_ssl_set(self.mysql, _pointer(key), _pointer(cert), _pointer(ca), _pointer(capath), _pointer(cipher))
        if not files and mode in (None, "PREFERRED"):
            return False
        trusted = ca is not None or capath is not None
        verify_chain = trusted or mode in ("VERIFY_CA", "VERIFY_IDENTITY")
        # With a CA the name is verified too, unless a weaker mode is asked for by its name.
        verify_host = mode == "VERIFY_IDENTITY" or (trusted and mode not in ("VERIFY_CA", "REQUIRED"))
        if demand_tls(self.mysql, verify_chain, verify_host, trusted and mode == "REQUIRED"):
            raise Error(CR_SSL_CONNECTION_ERROR, "the client library is built without TLS")
        return True

    cdef _connect(self, bytes host, bytes user, bytes password, bytes database, unsigned int port, bytes unix_socket):
        cdef const char *to_host = _pointer(host)
        cdef const char *as_user = _pointer(user)
        cdef const char *with_password = _pointer(password)
        cdef const char *in_database = _pointer(database)
        cdef const char *to_socket = _pointer(unix_socket)
        cdef MYSQL *connected
        with nogil:
            connected = mysql_real_connect(self.mysql, to_host, as_user, with_password, in_database, port, to_socket, 0)
        if connected == NULL:
            error = _error(self.mysql)
            mysql_close(self.mysql)
            self.mysql = NULL
            raise error
        self.fd = self.mysql.net.fd
        self.server_version = (<bytes>mysql_get_server_info(self.mysql)).decode()
        self.thread_id = mysql_thread_id(self.mysql)

    def fileno(self):
        """The socket's number."""
        self._check_open()
        return self.fd

    @property
    def cipher(self):
        """The TLS cipher; None without TLS."""
        self._check_open()
        cdef const char *name = mysql_get_ssl_cipher(self.mysql)
        return None if name == NULL else (<bytes>name).decode()

    cdef _check_open(self):
        if self.mysql == NULL:
            raise Error(2006, "the connection is closed")

    def literal(self, value):
        """`value` as SQL: None, int, str and bytes.

        :raises TypeError: for another type, which could be rounded on its way.
        """
        cdef bytes text, out
        cdef unsigned long length
        self._check_open()
        if value is None:
            return "NULL"
        if isinstance(value, bool) or not isinstance(value, (int, str, bytes)):
            raise TypeError(f"cannot bind {value!r}: give None, an int, a str or bytes")
        if isinstance(value, int):
            return str(value)
        if isinstance(value, bytes):
            return f"x'{value.hex()}'"
        text = value.encode()
        out = bytes(2 * len(text) + 1)
        length = mysql_real_escape_string(self.mysql, out, text, len(text))
        return f"'{out[:length].decode()}'"

    cdef bytes _statement(self, sql, values):
        return (sql % tuple([self.literal(value) for value in values])).encode()

    def rows(self, sql, values=()):
        """A small result, whole.

        :param sql: with %s for each of `values` and %% for a percent sign.
        :returns: the columns' names, and the rows as tuples of bytes or None; both empty where the statement has no result.
        """
        cdef bytes statement
        cdef const char *text
        cdef unsigned long length
        cdef unsigned long *lengths
        cdef MYSQL_RES *result = NULL
        cdef MYSQL_FIELD *fields
        cdef MYSQL_ROW row
        cdef unsigned int count, at
        cdef int failed
        with self.lock:
            self._check_open()
            statement = self._statement(sql, values)
            text, length = statement, len(statement)
            with nogil:
                failed = mysql_real_query(self.mysql, text, length)
                if not failed:
                    result = mysql_store_result(self.mysql)
            if failed or (result == NULL and mysql_field_count(self.mysql)):
                raise _error(self.mysql)
            if result == NULL:
                return [], []
            try:
                count = mysql_num_fields(result)
                fields = mysql_fetch_fields(result)
                names = [(<bytes>fields[at].name).decode("utf-8", "replace") for at in range(count)]
                rows = []
                while True:
                    row = mysql_fetch_row(result)
                    if row == NULL:
                        return names, rows
                    lengths = mysql_fetch_lengths(result)
                    rows.append(tuple([None if row[at] == NULL else row[at][:lengths[at]] for at in range(count)]))
            finally:
                mysql_free_result(result)

    def stream(self, sql, columns, *, values=(), batch_rows=65_536, batch_bytes=16 << 20, keys=(), binary=True):
        """The rows of a large result; the client holds one row and one batch of it.

        :param columns: a `Column` for each column of the result.
        :param batch_rows, batch_bytes: a batch ends with the row that reaches one of them.
        :param keys: positions of the columns whose values tell a row from the others, for samples.
        :param binary: as a prepared statement, which a server answers faster, where the client library is libmariadb and no column becomes
            the server's text. Values are the same in both protocols.
        """
        return Stream(self, sql, columns, values, batch_rows, batch_bytes, keys, binary)

    def cancel(self):
        """Break the connection off: whoever waits for it gets an `Error` at once, and the server ends the query when it next sends."""
        if self.fd >= 0:
            # Under the GIL, as is the close that would give the number away.
            with socket.socket(fileno=socket.dup(self.fd)) as end:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:  # the peer was faster
                    return

    def close(self):
        """End the connection; its transaction ends with it. A second call does nothing."""
        cdef MYSQL *mysql
        if self.mysql == NULL:
            return
        stream = self.streaming() if self.streaming is not None else None
        if stream is not None:
            stream.close()  # it points into what is freed below
        with self.lock:
            mysql, self.mysql, self.fd = self.mysql, NULL, -1
            with nogil:
                mysql_close(mysql)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __dealloc__(self):
        if self.mysql != NULL:
            mysql_close(self.mysql)


@cython.no_gc_clear  # the result must be freed before its connection is
cdef class Stream:
    """Iterator of `Batch`. Ended by its last batch, by an error, or by `close`, which breaks the connection off where rows are left.

    `warnings` is the number of warnings that the server has for the statement, once the last batch was given.
    """

    cdef object __weakref__
    cdef Connection connection
    cdef rows rows
    cdef batch described
    cdef object owner
    cdef tuple columns
    cdef int64_t batch_rows
    cdef size_t batch_bytes
    cdef readonly unsigned int warnings

    def __init__(self, Connection connection, sql, columns, values, batch_rows, batch_bytes, keys, bint binary):
        cdef bytes statement
        cdef const char *text
        cdef unsigned long length
        cdef int failed
        if batch_rows < 1 or batch_bytes < 1:
            raise ValueError(f"a batch of {batch_rows} rows and {batch_bytes} bytes holds nothing")
        self.connection = connection
        self.columns = tuple(columns)
        self.batch_rows = batch_rows
        self.batch_bytes = batch_bytes
        self._describe(tuple(keys))
        with connection.lock:
            connection._check_open()
            statement = connection._statement(sql, values)
            text, length = statement, len(statement)
            with nogil:
                failed = rows_open(&self.rows, connection.mysql, text, length, &self.described, binary)
            if failed:
                raise self._failed()
            connection.streaming = weakref.ref(self)
        if self.rows.count != len(self.columns):
            self.close()
            raise ValueError(f"the result has {self.rows.count} columns and {len(self.columns)} were described")

    cdef _describe(self, tuple keys):
        cdef int at
        cdef column *c
        self.described.count = len(self.columns)
        self.described.columns = <column *>calloc(len(self.columns) + 1, sizeof(column))
        self.described.keys = <int *>malloc((len(keys) + 1) * sizeof(int))
        if self.described.columns == NULL or self.described.keys == NULL:
            raise MemoryError
        self.described.key_count = len(keys)
        for at, key in enumerate(keys):
            if not 0 <= key < len(self.columns):
                raise ValueError(f"key {key} is no column's position")
            self.described.keys[at] = key
        self.owner = []
        for at, given in enumerate(self.columns):
            c = &self.described.columns[at]
            kind, width, form = _KINDS[given.kind]
            c.kind, c.width, c.on_invalid = kind, width, _POLICIES[given.on_invalid]
            c.precision, c.scale, c.repeats = given.precision, given.scale, given.repeats
            if kind == KIND_DECIMAL:
                form = form % (given.precision, given.scale)
            if c.on_invalid == INVALID_STRING and width >= 0:
                if kind == KIND_INTEGER:
                    c.precision = 8 * width
                c.width, form = -1, b"u"
            name = given.name.encode()
            self.owner += [name, form]
            c.name, c.format = name, form

    def __iter__(self):
        return self

    def __next__(self):
        cdef Batch made
        cdef fetch_status status
        with self.connection.lock:
            if not rows_are_open(&self.rows):
                raise StopIteration
            made = self._empty()
            with nogil:
                status = fetch_batch(&self.rows, &made.held, self.batch_rows, self.batch_bytes)
            if status == FETCH_MORE or (status == FETCH_END and made.held.rows):
                if status == FETCH_END:
                    self._end()
                return self._counted(made)
            if status == FETCH_END:
                self._end()
                raise StopIteration
            if status == FETCH_SERVER_ERROR:
                raise self._failed()
        self.close()
        if status == FETCH_TOO_LARGE:
            raise OverflowError(f"the values of one column exceed 2 GiB in one batch; lower batch_bytes ({self.batch_bytes:,})")
        raise MemoryError

    cdef Batch _empty(self):
        cdef Batch made = Batch.__new__(Batch)
        cdef int at
        made.owner = self
        made.held = self.described
        made.held.columns = <column *>malloc((self.described.count + 1) * sizeof(column))
        if made.held.columns == NULL:
            made.held.count = 0
            raise MemoryError
        for at in range(self.described.count):
            made.held.columns[at] = self.described.columns[at]
        return made

    cdef Batch _counted(self, Batch made):
        cdef int at, key
        cdef column *c
        self.described.usual_rows = made.held.rows
        made.num_rows, made.nbytes = made.held.rows, made.held.bytes
        made.checksums = tuple([made.held.columns[at].checksum for at in range(made.held.count)])
        made.invalid, made.failed = {}, []
        for at in range(made.held.count):
            c = &made.held.columns[at]
            self.described.columns[at].usual_size = c.size
            self.described.columns[at].repeats = c.texts != NULL
            name = self.columns[at].name
            if c.samples != NULL:
                keys = tuple([_sampled(&c.samples[key + 1]) for key in range(made.held.key_count)])
                made.failed.append(Invalid(name, c.invalid, c.sample_row, _sampled(&c.samples[0]), keys))
            elif c.invalid:
                made.invalid[name] = c.invalid
        return made

    cdef object _failed(self):
        error = _made_error(rows_errno(&self.rows), rows_error(&self.rows), rows_sqlstate(&self.rows))
        self._end()
        return error

    cdef _end(self):
        """Nothing is left to read, or nothing can be."""
        self.warnings = self.rows.warnings
        with nogil:
            rows_close(&self.rows)

    def close(self):
        """Stop here. Where rows are left the connection is of no use afterwards: reading them all would take as long as the result is."""
        if not rows_are_open(&self.rows):
            return
        self.connection.cancel()
        with self.connection.lock:
            if rows_are_open(&self.rows):
                self._end()

    def __dealloc__(self):
        if rows_are_open(&self.rows):
            if self.connection.mysql != NULL:
                self.connection.cancel()
            rows_close(&self.rows)
        free(self.described.columns)
        free(self.described.keys)


def checksum(array):
    """The order-free checksum of an Arrow array or chunked array: the number that `Batch.checksums` has for the same values.

    :param array: what has `__arrow_c_array__` or `__arrow_c_stream__`; not a record batch.
    :raises TypeError: for a type that no lake column has.
    """
    (total,) = _sums(array, False)
    return total


def checksums(batch):
    """The checksums of the columns of a record batch, a table or a reader, in their order.

    :raises TypeError: for a column of a type that no lake column has.
    """
    return _sums(batch, True)


cdef tuple _sums(source, bint columns):
    if hasattr(source, "__arrow_c_array__"):
        schema, array = source.__arrow_c_array__()
        return _added(
            <ArrowSchema *>PyCapsule_GetPointer(schema, "arrow_schema"), <ArrowArray *>PyCapsule_GetPointer(array, "arrow_array"), columns,
            None,
        )
    if not hasattr(source, "__arrow_c_stream__"):
        raise TypeError(f"{type(source).__name__} has neither __arrow_c_array__ nor __arrow_c_stream__")
    capsule = source.__arrow_c_stream__()
    cdef ArrowArrayStream *stream = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
    cdef ArrowSchema described
    cdef ArrowArray chunk
    if stream.get_schema(stream, &described):
        raise ValueError((<bytes>stream.get_last_error(stream)).decode("utf-8", "replace"))
    total = (0,) * described.n_children if columns else (0,)
    try:
        while True:
            if stream.get_next(stream, &chunk):
                raise ValueError((<bytes>stream.get_last_error(stream)).decode("utf-8", "replace"))
            if chunk.release == NULL:
                return total
            try:
                total = _added(&described, &chunk, columns, total)
            finally:
                chunk.release(&chunk)
    finally:
        described.release(&described)


cdef tuple _added(ArrowSchema *schema, ArrowArray *array, bint columns, before):
    cdef uint64_t total
    cdef int64_t at
    cdef int64_t count = array.n_children if columns else 1
    cdef int failed
    cdef ArrowSchema *kind
    cdef ArrowArray *values
    sums = []
    for at in range(count):
        total = 0 if before is None else before[at]
        kind = schema.children[at] if columns else schema
        values = array.children[at] if columns else array
        with nogil:
            failed = checksum_array(kind, values, &total)
        if failed:
            raise TypeError(f"an array of Arrow format {(<bytes>kind.format).decode()!r} has no checksum")
        sums.append(total)
    return tuple(sums)
