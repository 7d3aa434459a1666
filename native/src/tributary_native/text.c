#include "text.h"

/* https://dev.mysql.com/doc/refman/8.4/en/charset-we-sets.html */
static const uint16_t CP1252[32] = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008D, 0x017D, 0x008F,
    0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178,
};

static inline size_t ascii_run(const uint8_t *text, size_t length) {
  size_t at = 0;
  for (uint64_t word; at + 8 <= length; at += 8) {
    memcpy(&word, text + at, 8);
    if (word & UINT64_C(0x8080808080808080)) break;
  }
  while (at < length && text[at] < 0x80) at++;
  return at;
}

/* Length of the well-formed character at `text`, or 0. */
static inline size_t character(const uint8_t *text, size_t length) {
  const uint8_t first = text[0];
  uint8_t low = 0x80, high = 0xBF;
  size_t size;
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) {
    size = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    size = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    size = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (length < size || text[1] < low || text[1] > high) return 0;
  for (size_t at = 2; at < size; at++)
    if (text[at] < 0x80 || text[at] > 0xBF) return 0;
  return size;
}

bool is_utf8(const uint8_t *text, size_t length) {
  for (size_t at = 0;;) {
    at += ascii_run(text + at, length - at);
    if (at == length) return true;
    const size_t size = character(text + at, length - at);
    if (size == 0) return false;
    at += size;
  }
}

size_t escape_utf8(const uint8_t *text, size_t length, uint8_t *out) {
  static const char digits[] = "0123456789ABCDEF";
  uint8_t *to = out;
  for (size_t at = 0; at < length;) {
    const size_t size = character(text + at, length - at);
    if (size) {
      memcpy(to, text + at, size);
      to += size;
      at += size;
    } else {
      *to++ = '\\';
      *to++ = 'x';
      *to++ = (uint8_t)digits[text[at] >> 4];
      *to++ = (uint8_t)digits[text[at] & 15];
      at++;
    }
  }
  return (size_t)(to - out);
}

size_t latin1_to_utf8(const uint8_t *text, size_t length, uint8_t *out) {
  uint8_t *to = out;
  for (size_t at = 0; at < length; at++) {
    const uint8_t byte = text[at];
    const uint16_t code = byte >= 0x80 && byte < 0xA0 ? CP1252[byte - 0x80] : byte;
    if (code < 0x80) {
      *to++ = (uint8_t)code;
    } else if (code < 0x800) {
      *to++ = (uint8_t)(0xC0 | code >> 6);
      *to++ = (uint8_t)(0x80 | (code & 0x3F));
    } else {
      *to++ = (uint8_t)(0xE0 | code >> 12);
      *to++ = (uint8_t)(0x80 | (code >> 6 & 0x3F));
      *to++ = (uint8_t)(0x80 | (code & 0x3F));
    }
  }
  return (size_t)(to - out);
}
