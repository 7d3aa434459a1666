/* Order-free checksums: the sum, modulo 2^64, of one hash per value.
 *
 * A value's hash depends on the value alone: not on its row, not on the width of the integer that holds it. Every step is a bijection of
 * what it takes in, so a value that differs in one 64-bit word always has another hash. NULL has a hash of its own, and text hashes its
 * length, so that no boundary can shift unseen. It finds accidents; it is no signature.
 */
#ifndef TRIBUTARY_CHECKSUM_H
#define TRIBUTARY_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arrow.h"

#define HASH_OF_NULL UINT64_C(0x6e756c6c9f3a5d17)

/* The finalizer of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). */
static inline uint64_t hash_word(uint64_t word) {
  word += UINT64_C(0x9e3779b97f4a7c15);
  word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
  return word ^ (word >> 31);
}

static inline uint64_t hash_wide(uint64_t low, uint64_t high) { return hash_word(hash_word(low) ^ high); }

/* The last bytes of a value, fewer than eight, as a little-endian word. By loads that overlap: what is copied byte by byte has to reach
 * memory before it can be loaded as a word, which made the hash of one letter take three times as long. */
static inline uint64_t last_word(const uint8_t *bytes, size_t length) {
  if (length >= 4) {
    uint32_t low, high;
    memcpy(&low, bytes, 4);
    memcpy(&high, bytes + length - 4, 4);
    return low | (uint64_t)high << 8 * (length - 4);
  }
  const size_t middle = length / 2, last = length - 1;
  return bytes[0] | (uint64_t)bytes[middle] << 8 * middle | (uint64_t)bytes[last] << 8 * last;
}

static inline uint64_t hash_bytes(const uint8_t *bytes, size_t length) {
  uint64_t hash = hash_word(length), word;
  for (; length >= 8; bytes += 8, length -= 8) {
    memcpy(&word, bytes, 8);
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 32;
  }
  if (length) hash = (hash ^ last_word(bytes, length)) * UINT64_C(0x9e3779b97f4a7c15);
  return hash_word(hash);
}

/* The checksum of an Arrow array, added to `sum`. Returns 0, or -1 where the type has none. */
int checksum_array(const struct ArrowSchema *schema, const struct ArrowArray *array, uint64_t *sum);

#endif
