/* Values of the binary protocol, in which prepared statements answer: https://mariadb.com/kb/en/resultset-row/ */
#ifndef TRIBUTARY_WIRE_H
#define TRIBUTARY_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mysql.h>

#include "values.h"

/* How a value lies in a row. Numbers are little endian; dates and times say their length, which is less where the rest is zero. */
typedef enum {
  WIRE_TEXT, /* also DECIMAL, and every value of the text protocol */
  WIRE_INT8,
  WIRE_UINT8,
  WIRE_INT16,
  WIRE_UINT16,
  WIRE_INT32,
  WIRE_UINT32,
  WIRE_INT64,
  WIRE_UINT64,
  WIRE_FLOAT,
  WIRE_DOUBLE,
  WIRE_DATE,
  WIRE_DATETIME,
  WIRE_TIME,
} wire;

static inline bool wire_is_integer(wire w) { return w >= WIRE_INT8 && w <= WIRE_UINT64; }

wire wire_of(const MYSQL_FIELD *field);

/* Moves `at` to the value's first byte, and returns how many it has. */
static inline unsigned long wire_length(wire w, unsigned char **at) {
  static const uint8_t FIXED[] = {0, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
  unsigned char *byte = *at;
  if (w != WIRE_TEXT && w < WIRE_DATE) return FIXED[w];
  if (*byte < 251) {
    *at = byte + 1;
    return *byte;
  }
  const int bytes = *byte == 252 ? 2 : *byte == 253 ? 3 : 8;
  unsigned long length = 0;
  for (int n = bytes; n > 0; n--) length = length << 8 | byte[n];
  *at = byte + 1 + bytes;
  return length;
}

/* An integer's 64 bits; `low` and `high` are inclusive, and what is above INT64_MAX is never between them. */
bool wire_integer(wire w, const void *bytes, int64_t low, int64_t high, int64_t *value);
bool wire_decimal(wire w, const void *bytes, int precision, int scale, int128 *value); /* of an integer */
bool wire_double(wire w, const void *bytes, double *value);
bool wire_date(const void *bytes, size_t length, int32_t *days);
bool wire_timestamp(const void *bytes, size_t length, int64_t *microseconds);
bool wire_time(const void *bytes, size_t length, int64_t *microseconds);

/* Writes the value as the text protocol would, for people; `out` has room for 80 bytes. `digits`: of a second's fraction. */
size_t wire_text(wire w, const void *bytes, size_t length, unsigned digits, char *out);

#endif
