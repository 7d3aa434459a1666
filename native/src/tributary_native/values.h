/* Parsers of the text protocol. Each returns false where the text has no exact equal in the wanted type. */
#ifndef TRIBUTARY_VALUES_H
#define TRIBUTARY_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef __int128 int128;

bool parse_integer(const char *text, size_t length, int64_t low, int64_t high, int64_t *value);
bool parse_decimal(const char *text, size_t length, int precision, int scale, int128 *value);
bool parse_double(const char *text, size_t length, double *value);
bool days_of(int year, int month, int day, int32_t *days);                      /* since 1970-01-01; years 1 to 9999 */
bool parse_date(const char *text, size_t length, int32_t *days);                /* since 1970-01-01; years 1 to 9999 */
bool parse_timestamp(const char *text, size_t length, int64_t *microseconds);   /* since 1970-01-01 00:00; years 1 to 9999 */
bool parse_time(const char *text, size_t length, int64_t *microseconds);        /* [-]HH:MM:SS[.ffffff], hours up to 838 */

#endif
