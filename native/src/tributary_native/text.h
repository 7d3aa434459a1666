/* Text as UTF-8: validated, or made from MySQL's latin1. */
#ifndef TRIBUTARY_TEXT_H
#define TRIBUTARY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether all of it is well-formed UTF-8 (Unicode, table 3-7: no surrogates, nothing overlong, nothing above U+10FFFF). */
bool is_utf8(const uint8_t *text, size_t length);

bool is_ascii(const uint8_t *text, size_t length);

/* Writes `text` with each byte that is no part of well-formed UTF-8 as \xNN; `out` has room for four times its length. */
size_t escape_utf8(const uint8_t *text, size_t length, uint8_t *out);

/* Writes MySQL's latin1, which is cp1252 with U+0081, 8D, 8F, 90 and 9D in its gaps; `out` has room for three times its length. */
size_t latin1_to_utf8(const uint8_t *text, size_t length, uint8_t *out);

#endif
