/* Text as UTF-8: validated, or made from MySQL's latin1. */
#ifndef TRIBUTARY_TEXT_H
#define TRIBUTARY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* By loads that overlap at the end: most texts are short, and a byte at a time takes longer than all else that is done with them. */
static inline bool is_ascii(const uint8_t *text, size_t length) {
  uint64_t word = 0;
  uint32_t first, last;
  if (length >= 8) {
    for (size_t at = 0; at + 8 <= length; at += 8) {
      memcpy(&word, text + at, 8);
      if (word & UINT64_C(0x8080808080808080)) return false;
    }
    memcpy(&word, text + length - 8, 8);
  } else if (length >= 4) {
    memcpy(&first, text, 4);
    memcpy(&last, text + length - 4, 4);
    word = first | last;
  } else if (length) {
    word = text[0] | text[length / 2] | text[length - 1];
  }
  return !(word & UINT64_C(0x8080808080808080));
}

/* Whether all of it is well-formed UTF-8 (Unicode, table 3-7: no surrogates, nothing overlong, nothing above U+10FFFF). */
bool is_utf8(const uint8_t *text, size_t length);

/* Writes `text` with each byte that is no part of well-formed UTF-8 as \xNN; `out` has room for four times its length. */
size_t escape_utf8(const uint8_t *text, size_t length, uint8_t *out);

/* Writes MySQL's latin1, which is cp1252 with U+0081, 8D, 8F, 90 and 9D in its gaps; `out` has room for three times its length. */
size_t latin1_to_utf8(const uint8_t *text, size_t length, uint8_t *out);

#endif
