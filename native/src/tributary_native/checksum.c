#include "checksum.h"

#include <stdbool.h>

static inline bool is_set(const uint8_t *bits, int64_t at) { return bits[at >> 3] >> (at & 7) & 1; }

#define ADD(HASH)                                                      \
  do {                                                                 \
    for (int64_t at = array->offset; at < end; at++)                   \
      total += !valid || is_set(valid, at) ? (HASH) : HASH_OF_NULL;    \
  } while (0)

#define ADD_INTEGERS(TYPE)                                             \
  do {                                                                 \
    const TYPE *values = array->buffers[1];                            \
    ADD(hash_word((uint64_t)(int64_t)values[at]));                     \
  } while (0)

#define ADD_BYTES(TYPE)                                                \
  do {                                                                 \
    const TYPE *offsets = array->buffers[1];                           \
    const uint8_t *bytes = array->buffers[2];                          \
    ADD(hash_bytes(bytes + offsets[at], (size_t)(offsets[at + 1] - offsets[at]))); \
  } while (0)

static bool is_decimal128(const char *format) { /* "d:12,2"; a third number is another width */
  const char *comma = format[1] == ':' ? strchr(format, ',') : NULL;
  return comma && !strchr(comma + 1, ',');
}

int checksum_array(const struct ArrowSchema *schema, const struct ArrowArray *array, uint64_t *sum) {
  const char *format = schema->format;
  const int64_t end = array->offset + array->length;
  uint64_t total = 0;
  if (schema->dictionary) return -1;
  if (array->length == 0) return 0; /* buffers may be missing */
  if (strcmp(format, "n") == 0) {
    *sum += HASH_OF_NULL * (uint64_t)array->length;
    return 0;
  }
  const uint8_t *valid = array->n_buffers ? array->buffers[0] : NULL;
  if (strcmp(format, "b") == 0) {
    const uint8_t *bits = array->buffers[1];
    ADD(hash_word(is_set(bits, at)));
  } else if (strcmp(format, "c") == 0) {
    ADD_INTEGERS(int8_t);
  } else if (strcmp(format, "s") == 0) {
    ADD_INTEGERS(int16_t);
  } else if (strcmp(format, "i") == 0 || strcmp(format, "tdD") == 0) {
    ADD_INTEGERS(int32_t);
  } else if (strcmp(format, "l") == 0 || strncmp(format, "tsu:", 4) == 0) {
    ADD_INTEGERS(int64_t);
  } else if (strcmp(format, "C") == 0) {
    ADD_INTEGERS(uint8_t);
  } else if (strcmp(format, "S") == 0) {
    ADD_INTEGERS(uint16_t);
  } else if (strcmp(format, "I") == 0) {
    ADD_INTEGERS(uint32_t);
  } else if (strcmp(format, "f") == 0) {
    const uint32_t *words = array->buffers[1];
    ADD(hash_word(words[at]));
  } else if (strcmp(format, "g") == 0) {
    const uint64_t *words = array->buffers[1];
    ADD(hash_word(words[at]));
  } else if (format[0] == 'd' && is_decimal128(format)) {
    const uint64_t *words = array->buffers[1];
    ADD(hash_wide(words[2 * at], words[2 * at + 1]));
  } else if (strcmp(format, "u") == 0 || strcmp(format, "z") == 0) {
    ADD_BYTES(int32_t);
  } else if (strcmp(format, "U") == 0 || strcmp(format, "Z") == 0) {
    ADD_BYTES(int64_t);
  } else {
    return -1;
  }
  *sum += total;
  return 0;
}
