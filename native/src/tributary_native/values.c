#define _GNU_SOURCE
#include "values.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static inline bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }

bool parse_integer(const char *text, size_t length, int64_t low, int64_t high, int64_t *value) {
  const bool negative = length > 0 && text[0] == '-';
  size_t at = negative;
  uint64_t size = 0;
  if (at == length) return false;
  while (at + 1 < length && text[at] == '0') at++; /* ZEROFILL */
  if (length - at > 19) return false;              /* 10^19 fits into 64 bits without a sign */
  for (; at < length; at++) {
    if (!is_digit(text[at])) return false;
    size = size * 10 + (uint64_t)(text[at] - '0');
  }
  if (size > (uint64_t)INT64_MAX + negative) return false;
  *value = negative ? (int64_t)(0 - size) : (int64_t)size;
  return *value >= low && *value <= high;
}

static const uint64_t POWER[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
                                 100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
                                 10000000000000000, 100000000000000000, 1000000000000000000};

/* Digits up to `end`, added to `size`; false at anything else. */
static inline bool add_digits(const char *at, const char *end, uint64_t *size) {
  bool digits = true;
  for (; at < end; at++) {
    digits &= is_digit(*at);
    *size = *size * 10 + (uint64_t)(*at - '0');
  }
  return digits;
}

/* What servers send: all digits of the scale behind the point, and here at most 18 digits in all, so that 64 bits hold them. */
static inline bool parse_short_decimal(const char *text, size_t length, int precision, int scale, int128 *value) {
  const bool negative = length > 0 && text[0] == '-';
  const char *at = text + negative, *end = text + length;
  const char *point = scale ? end - scale - 1 : end;
  uint64_t size = 0;
  if (precision > 18 || end - at > 18 + (scale != 0) || point <= at || (scale && *point != '.')) return false;
  if (!add_digits(at, point, &size) || (scale && !add_digits(point + 1, end, &size)) || size >= POWER[precision]) return false;
  *value = negative ? -(int128)size : (int128)size;
  return true;
}

bool parse_decimal(const char *text, size_t length, int precision, int scale, int128 *value) {
  if (parse_short_decimal(text, length, precision, scale, value)) return true;
  const bool negative = length > 0 && text[0] == '-';
  const char *at = text + negative, *end = text + length;
  unsigned __int128 size = 0;
  uint64_t part = 0;
  int digits = 0, in_part = 0, fraction = 0;
  bool point = false, any = false;
  for (; at < end; at++) {
    if (*at == '.' && !point) {
      point = true;
      continue;
    }
    if (!is_digit(*at)) return false;
    any = true;
    fraction += point;
    if (digits || *at != '0') digits++;
    if (digits > precision) return false;
    part = part * 10 + (uint64_t)(*at - '0');
    if (++in_part == 18) {
      size = size * POWER[18] + part;
      part = 0;
      in_part = 0;
    }
  }
  if (!any || fraction > scale) return false;
  if (digits && digits + scale - fraction > precision) return false;
  size = size * POWER[in_part] + part;
  for (int missing = scale - fraction; missing > 0; missing -= 18) size *= POWER[missing < 18 ? missing : 18];
  *value = negative ? -(int128)size : (int128)size;
  return true;
}

/* A process may set a locale whose decimal point is a comma. */
static locale_t c_locale(void) {
  static locale_t c;
  locale_t made, none = (locale_t)0;
  if ((made = __atomic_load_n(&c, __ATOMIC_ACQUIRE))) return made;
  made = newlocale(LC_ALL_MASK, "C", none);
  if (!__atomic_compare_exchange_n(&c, &none, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    freelocale(made);
    return none;
  }
  return made;
}

bool parse_double(const char *text, size_t length, double *value) {
  /* A mantissa below 2^53 and a power of ten that is a double: one rounding, so the result is the nearest (Clinger, 1990). */
  static const double POWER[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  const bool negative = length > 0 && text[0] == '-';
  size_t at = negative;
  uint64_t mantissa = 0;
  int digits = 0, fraction = 0;
  bool point = false, plain = true, any = false;
  if (at == length || !(is_digit(text[at]) || text[at] == '.')) return false; /* strtod would take blanks, inf, nan and hexadecimal */
  for (; at < length; at++) {
    if (is_digit(text[at])) {
      mantissa = digits < 18 ? mantissa * 10 + (uint64_t)(text[at] - '0') : mantissa;
      if (mantissa) digits++;
      any = true;
      fraction += point;
    } else if (text[at] == '.' && !point) {
      point = true;
    } else if (text[at] == 'e' || text[at] == 'E' || text[at] == '-' || text[at] == '+') {
      plain = false;
    } else {
      return false;
    }
  }
  if (!any) return false;
  if (plain && digits <= 18 && mantissa <= UINT64_C(1) << 53 && fraction <= 22) {
    const double size = (double)mantissa / POWER[fraction];
    *value = negative ? -size : size;
    return true;
  }
  char copy[1024], *rest;
  if (length >= sizeof copy) return false; /* the longest that a server writes for a DOUBLE has 370 characters */
  memcpy(copy, text, length);
  copy[length] = 0;
  *value = strtod_l(copy, &rest, c_locale());
  return rest == copy + length && isfinite(*value);
}

/* `count` digits, or -1. */
static inline int number(const char *text, int count) {
  int value = 0;
  for (int at = 0; at < count; at++) {
    if (!is_digit(text[at])) return -1;
    value = value * 10 + (text[at] - '0');
  }
  return value;
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar (Hinnant: "chrono-Compatible Low-Level Date Algorithms"). */
static inline int32_t days_from_civil(int year, int month, int day) {
  year -= month <= 2;
  const int era = year / 400; /* the year is positive */
  const int of_era = year - era * 400;
  const int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool days_of(int year, int month, int day, int32_t *days) {
  static const uint8_t LAST[] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  /* The year 0 exists in MySQL and in Arrow, but neither in Spark, nor in Delta's protocol, nor in Python. */
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return false;
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  if (day > LAST[month] + (month == 2 && leap)) return false;
  *days = days_from_civil(year, month, day);
  return true;
}

bool parse_date(const char *text, size_t length, int32_t *days) {
  if (length != 10 || text[4] != '-' || text[7] != '-') return false;
  return days_of(number(text, 4), number(text + 5, 2), number(text + 8, 2), days);
}

/* "", or a point and one to six digits. */
static inline bool parse_fraction(const char *text, size_t length, int64_t *microseconds) {
  *microseconds = 0;
  if (length == 0) return true;
  if (length < 2 || length > 7 || text[0] != '.') return false;
  const int value = number(text + 1, (int)length - 1);
  if (value < 0) return false;
  *microseconds = value;
  for (size_t at = length; at < 7; at++) *microseconds *= 10;
  return true;
}

static inline bool parse_clock(const char *text, int *seconds) { /* MM:SS */
  const int minutes = number(text, 2), rest = number(text + 3, 2);
  *seconds = minutes * 60 + rest;
  return text[2] == ':' && minutes >= 0 && minutes < 60 && rest >= 0 && rest < 60;
}

bool parse_timestamp(const char *text, size_t length, int64_t *microseconds) {
  int32_t days;
  int seconds;
  int64_t fraction;
  if (length < 19 || text[10] != ' ' || text[13] != ':' || !parse_date(text, 10, &days)) return false;
  const int hours = number(text + 11, 2);
  if (hours < 0 || hours > 23 || !parse_clock(text + 14, &seconds) || !parse_fraction(text + 19, length - 19, &fraction)) return false;
  *microseconds = ((int64_t)days * 86400 + hours * 3600 + seconds) * 1000000 + fraction;
  return true;
}

bool parse_time(const char *text, size_t length, int64_t *microseconds) {
  const bool negative = length > 0 && text[0] == '-';
  const char *at = text + negative;
  const size_t rest = length - negative;
  const int width = rest > 3 && at[3] == ':' ? 3 : 2;
  int seconds;
  int64_t fraction;
  if (rest < (size_t)width + 6 || at[width] != ':') return false;
  const int hours = number(at, width);
  if (hours < 0 || hours > 838 || !parse_clock(at + width + 1, &seconds)) return false;
  if (!parse_fraction(at + width + 6, rest - width - 6, &fraction)) return false;
  const int64_t size = ((int64_t)hours * 3600 + seconds) * 1000000 + fraction;
  *microseconds = negative ? -size : size;
  return true;
}
