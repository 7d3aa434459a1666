#include "wire.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

wire wire_of(const MYSQL_FIELD *field) {
  const int without_sign = (field->flags & UNSIGNED_FLAG) != 0;
  switch (field->type) {
    case MYSQL_TYPE_TINY: return WIRE_INT8 + without_sign;
    case MYSQL_TYPE_SHORT: return WIRE_INT16 + without_sign;
    case MYSQL_TYPE_YEAR: return WIRE_UINT16;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG: return WIRE_INT32 + without_sign;
    case MYSQL_TYPE_LONGLONG: return WIRE_INT64 + without_sign;
    case MYSQL_TYPE_FLOAT: return WIRE_FLOAT;
    case MYSQL_TYPE_DOUBLE: return WIRE_DOUBLE;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE: return WIRE_DATE;
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP: return WIRE_DATETIME;
    case MYSQL_TYPE_TIME: return WIRE_TIME;
    default: return WIRE_TEXT;
  }
}

#define READ(TYPE)                    \
  do {                                \
    TYPE number;                      \
    memcpy(&number, bytes, sizeof number); \
    return (uint64_t)(int64_t)number; \
  } while (0)

static inline uint64_t integer_bits(wire w, const void *bytes) {
  switch (w) {
    case WIRE_INT8: READ(int8_t);
    case WIRE_UINT8: READ(uint8_t);
    case WIRE_INT16: READ(int16_t);
    case WIRE_UINT16: READ(uint16_t);
    case WIRE_INT32: READ(int32_t);
    case WIRE_UINT32: READ(uint32_t);
    default: READ(int64_t);
  }
}

bool wire_integer(wire w, const void *bytes, int64_t low, int64_t high, int64_t *value) {
  *value = (int64_t)integer_bits(w, bytes);
  return *value >= low && *value <= high && !(w == WIRE_UINT64 && *value < 0);
}

bool wire_decimal(wire w, const void *bytes, int precision, int scale, int128 *value) {
  const uint64_t bits = integer_bits(w, bytes);
  int128 bound = 1;
  *value = w == WIRE_UINT64 ? (int128)bits : (int128)(int64_t)bits;
  for (int digit = scale; digit < precision; digit++) bound *= 10;
  if (*value >= bound || *value <= -bound) return false;
  for (int digit = 0; digit < scale; digit++) *value *= 10;
  return true;
}

bool wire_double(wire w, const void *bytes, double *value) {
  float single;
  if (w == WIRE_DOUBLE) {
    memcpy(value, bytes, 8);
  } else {
    memcpy(&single, bytes, 4);
    *value = single;
  }
  return isfinite(*value);
}

typedef struct {
  bool negative;
  unsigned year, month, day, hours, minutes, seconds, microseconds; /* of a time the hours are those of its days too */
} moment;

static uint32_t word(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return value;
}

static bool read_moment(const uint8_t *at, size_t length, moment *m) {
  *m = (moment){0};
  if (length != 0 && length != 4 && length != 7 && length != 11) return false;
  if (length >= 4) m->year = at[0] | (unsigned)at[1] << 8, m->month = at[2], m->day = at[3];
  if (length >= 7) m->hours = at[4], m->minutes = at[5], m->seconds = at[6];
  if (length == 11) m->microseconds = word(at + 7);
  return true;
}

static bool read_time(const uint8_t *at, size_t length, moment *m) {
  *m = (moment){0};
  if (length != 0 && length != 8 && length != 12) return false;
  if (length >= 8) m->negative = at[0], m->hours = word(at + 1) * 24 + at[5], m->minutes = at[6], m->seconds = at[7];
  if (length == 12) m->microseconds = word(at + 8);
  return true;
}

static int64_t of_day(const moment *m) {
  return ((int64_t)m->hours * 3600 + m->minutes * 60 + m->seconds) * 1000000 + m->microseconds;
}

bool wire_date(const void *bytes, size_t length, int32_t *days) {
  moment m;
  return length == 4 && read_moment(bytes, length, &m) && days_of((int)m.year, (int)m.month, (int)m.day, days);
}

bool wire_timestamp(const void *bytes, size_t length, int64_t *microseconds) {
  moment m;
  int32_t days;
  if (!read_moment(bytes, length, &m) || !days_of((int)m.year, (int)m.month, (int)m.day, &days)) return false;
  if (m.hours > 23 || m.minutes > 59 || m.seconds > 59 || m.microseconds > 999999) return false;
  *microseconds = (int64_t)days * 86400000000 + of_day(&m);
  return true;
}

bool wire_time(const void *bytes, size_t length, int64_t *microseconds) {
  moment m;
  if (!read_time(bytes, length, &m)) return false;
  if (m.hours > 838 || m.minutes > 59 || m.seconds > 59 || m.microseconds > 999999) return false;
  *microseconds = m.negative ? -of_day(&m) : of_day(&m);
  return true;
}

static size_t clock_text(const moment *m, unsigned digits, char *out) {
  size_t size = (size_t)sprintf(out, "%02u:%02u:%02u", m->hours, m->minutes, m->seconds);
  if (digits == 0 || digits > 6) return size;
  sprintf(out + size, ".%06u", m->microseconds);
  return size + 1 + digits;
}

size_t wire_text(wire w, const void *bytes, size_t length, unsigned digits, char *out) {
  moment m;
  double real;
  switch (w) {
    case WIRE_FLOAT:
    case WIRE_DOUBLE: wire_double(w, bytes, &real); return (size_t)sprintf(out, w == WIRE_FLOAT ? "%.9g" : "%.17g", real);
    case WIRE_DATE:
    case WIRE_DATETIME: {
      if (!read_moment(bytes, length, &m)) return 0;
      const size_t size = (size_t)sprintf(out, "%04u-%02u-%02u", m.year, m.month, m.day);
      if (w == WIRE_DATE) return size;
      out[size] = ' ';
      return size + 1 + clock_text(&m, digits, out + size + 1);
    }
    case WIRE_TIME:
      if (!read_time(bytes, length, &m)) return 0;
      out[0] = '-';
      return m.negative + clock_text(&m, digits, out + m.negative);
    case WIRE_UINT64: return (size_t)sprintf(out, "%llu", (unsigned long long)integer_bits(w, bytes));
    default: return (size_t)sprintf(out, "%lld", (long long)integer_bits(w, bytes));
  }
}
