#include "rows.h"

#include <stdlib.h>
#include <string.h>

/* libmariadb hands each value of a binary row over where it lies; libmysqlclient only copies it. */
#if defined(LIBMARIADB) || defined(MARIADB_PACKAGE_VERSION)
#define HAS_BINARY_ROWS 1

static void take(void *data, unsigned at, unsigned char **row) {
  rows *r = data;
  if (!row) {
    r->cells[at] = NULL;
    return;
  }
  r->lengths[at] = wire_length(r->wires[at], row);
  r->cells[at] = (char *)*row;
  *row += r->lengths[at];
}

static void take_cells(rows *r) {
  mysql_stmt_attr_set(r->statement, STMT_ATTR_CB_USER_DATA, r);
  mysql_stmt_attr_set(r->statement, STMT_ATTR_CB_RESULT, (const void *)take);
}
#else
#define HAS_BINARY_ROWS 0

static void take_cells(rows *r) { (void)r; }
#endif

/* Whether a column's values can be read from the binary protocol. A value that becomes the server's text is best asked for as text. */
static bool is_readable(const column *c, wire w) {
  if (c->on_invalid == INVALID_STRING) return false;
  if (w == WIRE_TEXT) return true;
  switch (c->kind) {
    case KIND_BOOL:
    case KIND_INTEGER:
    case KIND_DECIMAL: return wire_is_integer(w);
    case KIND_FLOAT32:
    case KIND_FLOAT64: return w == WIRE_FLOAT || w == WIRE_DOUBLE;
    case KIND_DATE: return w == WIRE_DATE;
    case KIND_TIMESTAMP: return w == WIRE_DATETIME;
    case KIND_TIME: return w == WIRE_TIME;
    default: return false;
  }
}

static bool describe(rows *r, MYSQL_RES *metadata, batch *described) {
  const MYSQL_FIELD *fields = mysql_fetch_fields(metadata);
  r->count = mysql_num_fields(metadata);
  r->wires = calloc(r->count + 1, sizeof *r->wires);
  r->cells = calloc(r->count + 1, sizeof *r->cells);
  r->lengths = calloc(r->count + 1, sizeof *r->lengths);
  if (!r->wires || !r->cells || !r->lengths || r->count != (unsigned)described->count) return false;
  for (unsigned at = 0; at < r->count; at++) {
    column *c = &described->columns[at];
    r->wires[at] = wire_of(&fields[at]);
    if (!is_readable(c, r->wires[at])) return false;
    c->wire = r->wires[at];
    c->digits = fields[at].decimals;
  }
  return true;
}

/* Errors of a statement, a server or a proxy that does not prepare. */
#define ER_UNKNOWN_COM_ERROR 1047
#define ER_UNSUPPORTED_PS 1295
#define ER_MAX_PREPARED_STMT_COUNT_REACHED 1461

typedef enum { RUNS, FAILED, RATHER_AS_TEXT } binary_status;

static binary_status open_binary(rows *r, const char *sql, unsigned long length, batch *described) {
  if (!HAS_BINARY_ROWS || !(r->statement = mysql_stmt_init(r->mysql))) return RATHER_AS_TEXT;
  if (mysql_stmt_prepare(r->statement, sql, length)) {
    const unsigned why = mysql_stmt_errno(r->statement);
    const bool refused = why == ER_UNKNOWN_COM_ERROR || why == ER_UNSUPPORTED_PS || why == ER_MAX_PREPARED_STMT_COUNT_REACHED;
    return refused ? RATHER_AS_TEXT : FAILED;
  }
  MYSQL_RES *metadata = mysql_stmt_result_metadata(r->statement);
  const bool readable = metadata && describe(r, metadata, described);
  if (metadata) mysql_free_result(metadata);
  if (!readable) return RATHER_AS_TEXT;
  take_cells(r);
  return mysql_stmt_execute(r->statement) ? FAILED : RUNS;
}

int rows_open(rows *r, MYSQL *mysql, const char *sql, unsigned long length, batch *described, bool binary) {
  *r = (rows){.mysql = mysql};
  switch (binary ? open_binary(r, sql, length, described) : RATHER_AS_TEXT) {
    case RUNS: return 0;
    case FAILED: return -1;
    case RATHER_AS_TEXT: rows_close(r);
  }
  for (int at = 0; at < described->count; at++) described->columns[at].wire = WIRE_TEXT;
  if (mysql_real_query(mysql, sql, length)) return -1;
  r->result = mysql_use_result(mysql);
  if (!r->result) return -1;
  r->count = mysql_num_fields(r->result);
  return 0;
}

/* libmariadb reads them of a text result only. The packet that ends rows: https://mariadb.com/kb/en/eof_packet/ */
static unsigned warnings_at_end(const MYSQL *mysql) {
  const unsigned long without_eof = 1UL << 24; /* CLIENT_DEPRECATE_EOF: then it has the form of an OK packet */
  unsigned char *at = mysql->net.read_pos + 1;
  if (mysql->client_flag & without_eof) {
    wire_length(WIRE_TEXT, &at); /* affected rows */
    wire_length(WIRE_TEXT, &at); /* last insert id */
    at += 2;                     /* status */
  }
  return at[0] | (unsigned)at[1] << 8;
}

bool rows_are_open(const rows *r) { return r->result || r->statement; }

rows_status rows_next(rows *r) {
  if (r->statement) {
    const int status = mysql_stmt_fetch(r->statement);
    if (status == MYSQL_NO_DATA) r->warnings = warnings_at_end(r->mysql);
    return status == 0 ? ROW : status == MYSQL_NO_DATA ? ROWS_END : ROWS_ERROR;
  }
  r->cells = mysql_fetch_row(r->result);
  if (!r->cells) {
    r->warnings = mysql_warning_count(r->mysql);
    return mysql_errno(r->mysql) ? ROWS_ERROR : ROWS_END;
  }
  r->lengths = mysql_fetch_lengths(r->result);
  return ROW;
}

static bool has_own_error(const rows *r) { return r->statement && mysql_stmt_errno(r->statement); }

unsigned rows_errno(const rows *r) { return has_own_error(r) ? mysql_stmt_errno(r->statement) : mysql_errno(r->mysql); }

const char *rows_error(const rows *r) { return has_own_error(r) ? mysql_stmt_error(r->statement) : mysql_error(r->mysql); }

const char *rows_sqlstate(const rows *r) { return has_own_error(r) ? mysql_stmt_sqlstate(r->statement) : mysql_sqlstate(r->mysql); }

void rows_close(rows *r) {
  if (r->result) mysql_free_result(r->result);
  if (r->statement || r->wires) {
    if (r->statement) mysql_stmt_close(r->statement);
    free(r->wires);
    free(r->cells);
    free(r->lengths);
  }
  r->result = NULL;
  r->statement = NULL;
  r->wires = NULL;
  r->cells = NULL;
  r->lengths = NULL;
}
