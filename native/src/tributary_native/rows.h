/* Rows of a result as the server sends them, in the text protocol or in the binary one. */
#ifndef TRIBUTARY_ROWS_H
#define TRIBUTARY_ROWS_H

#include <stdbool.h>

#include <mysql.h>

#include "batch.h"

typedef enum { ROW, ROWS_END, ROWS_ERROR } rows_status;

typedef struct rows {
  MYSQL *mysql;
  MYSQL_RES *result;     /* of the text protocol */
  MYSQL_STMT *statement; /* of the binary protocol */
  unsigned count;        /* columns of the result */
  wire *wires;
  unsigned warnings; /* of the statement, after ROWS_END */
  /* of one row, until the next: a column's value, NULL where it is NULL, and its bytes */
  char **cells;
  unsigned long *lengths;
} rows;

/* Runs the statement, and says in the batch's columns how their values come: in the binary protocol where it is wanted and can be read, else
 * in the text protocol. Returns 0, or -1 after an error; then close it all the same. */
int rows_open(rows *r, MYSQL *mysql, const char *sql, unsigned long length, batch *described, bool binary);

bool rows_are_open(const rows *r);

rows_status rows_next(rows *r);

/* The error that ended them, as `mysql_errno` and the like. */
unsigned rows_errno(const rows *r);
const char *rows_error(const rows *r);
const char *rows_sqlstate(const rows *r);

/* Reads what is left, where the connection was not broken off before. */
void rows_close(rows *r);

#endif
