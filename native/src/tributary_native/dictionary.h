/* The texts of a column that repeats a few: each is stored once, and a row holds its code, the place of its text. */
#ifndef TRIBUTARY_DICTIONARY_H
#define TRIBUTARY_DICTIONARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What the first-level cache of a processor holds beside a row. */
#define DICTIONARY_TEXTS 1024
#define DICTIONARY_SLOTS (4 * DICTIONARY_TEXTS)
/* Of one text. A dictionary that turns out to be no good is written out, text by text, and must not become much larger by that. */
#define DICTIONARY_TEXT_BYTES 64

typedef struct {
  int32_t count;
  uint16_t slots[DICTIONARY_SLOTS]; /* code + 1 of the text whose hash leads here; 0: empty */
  uint64_t hashes[DICTIONARY_TEXTS];
} dictionary;

/* The slot of the text, or the empty one where it belongs. The texts lie in `data`, behind `offsets`. */
static inline uint16_t *dictionary_slot(dictionary *texts, const uint8_t *data, const int32_t *offsets, uint64_t hash, const void *text,
                                        size_t length) {
  for (size_t at = hash % DICTIONARY_SLOTS;; at = (at + 1) % DICTIONARY_SLOTS) {
    const int32_t code = texts->slots[at] - 1;
    if (code < 0) return &texts->slots[at];
    if (texts->hashes[code] != hash || (size_t)(offsets[code + 1] - offsets[code]) != length) continue;
    if (!length || memcmp(data + offsets[code], text, length) == 0) return &texts->slots[at];
  }
}

#endif
