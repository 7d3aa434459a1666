#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "rows.h"
#include "text.h"
#include "values.h"

#define FIRST_ROWS 4096
#define FIRST_BYTES 65536

typedef enum { PUT, INVALID, NO_MEMORY, TOO_LARGE } put_result;

static bool resize(void **memory, size_t size) {
  void *moved = realloc(*memory, size ? size : 1);
  if (moved) *memory = moved;
  return moved != NULL;
}

static size_t bitmap_bytes(int64_t rows) { return (size_t)(rows + 63) / 64 * 8; }

static bool begin_dictionary(column *c) {
  c->texts = calloc(1, sizeof *c->texts);
  return c->texts && resize((void **)&c->offsets, (DICTIONARY_TEXTS + 1) * sizeof *c->offsets);
}

/* Room for more rows in every column; new bits are 0 in values and 1 in validity. */
static bool reserve_rows(batch *b, int64_t room) {
  for (column *c = b->columns; c < b->columns + b->count; c++) {
    if (c->width > 0 && !resize((void **)&c->data, (size_t)room * (size_t)c->width)) return false;
    if (c->width < 0 && b->room == 0 && c->repeats && !begin_dictionary(c)) return false;
    if (c->width < 0) {
      if (!resize((void **)(c->texts ? &c->codes : &c->offsets), ((size_t)room + 1) * sizeof(int32_t))) return false;
      if (b->room == 0) c->offsets[0] = 0;
    }
    if (c->width == 0) {
      if (!resize((void **)&c->data, bitmap_bytes(room))) return false;
      memset(c->data + bitmap_bytes(b->room), 0, bitmap_bytes(room) - bitmap_bytes(b->room));
    }
    if (c->valid) {
      if (!resize((void **)&c->valid, bitmap_bytes(room))) return false;
      memset(c->valid + bitmap_bytes(b->room), 0xFF, bitmap_bytes(room) - bitmap_bytes(b->room));
    }
  }
  b->room = room;
  return true;
}

static put_result reserve_bytes(column *c, size_t more) {
  const size_t need = c->size + more;
  if (need <= c->room) return PUT;
  if (need > INT32_MAX) return TOO_LARGE;
  /* A large value gets what it needs and a little; doubling would cost as much again. */
  size_t room = need < (size_t)1 << 20 ? need * 2 : need + need / 8;
  if (room < FIRST_BYTES) room = FIRST_BYTES;
  /* Batches of a table are alike. */
  if (!c->room && room < c->usual_size + c->usual_size / 16) room = c->usual_size + c->usual_size / 16;
  if (!resize((void **)&c->data, room)) return NO_MEMORY;
  c->room = room;
  return PUT;
}

static inline put_result end_bytes(column *c, int64_t row, size_t length) {
  c->checksum += hash_bytes(c->data + c->size, length);
  c->size += length;
  c->offsets[row + 1] = (int32_t)c->size;
  return PUT;
}

static inline put_result put_bytes(column *c, int64_t row, const char *bytes, size_t length) {
  const put_result reserved = reserve_bytes(c, length);
  if (reserved != PUT) return reserved;
  if (length) memcpy(c->data + c->size, bytes, length);
  return end_bytes(c, row, length);
}

static inline put_result put_text(column *c, int64_t row, const char *text, size_t length) {
  const uint8_t *bytes = (const uint8_t *)text;
  if (c->kind == KIND_LATIN1 && !is_ascii(bytes, length)) {
    const put_result reserved = reserve_bytes(c, 3 * length);
    return reserved == PUT ? end_bytes(c, row, latin1_to_utf8(bytes, length, c->data + c->size)) : reserved;
  }
  return is_ascii(bytes, length) || is_utf8(bytes, length) ? put_bytes(c, row, text, length) : INVALID;
}

/* Writes the texts of the rows before `row` out: from here on the column is an ordinary one. */
static put_result end_dictionary(column *c, int64_t row, int64_t room) {
  size_t size = 0;
  int32_t *offsets = malloc(((size_t)room + 1) * sizeof *offsets);
  if (!offsets) return NO_MEMORY;
  offsets[0] = 0;
  for (int64_t at = 0; at < row; at++) {
    const bool null = c->valid && !(c->valid[at >> 3] >> (at & 7) & 1);
    if (!null) size += (size_t)(c->offsets[c->codes[at] + 1] - c->offsets[c->codes[at]]);
    offsets[at + 1] = (int32_t)size; /* at most DICTIONARY_TEXT_BYTES for each row of a batch */
  }
  column plain = *c;
  plain.data = NULL;
  plain.size = plain.room = 0;
  if (reserve_bytes(&plain, size) != PUT) {
    free(offsets);
    return NO_MEMORY;
  }
  for (int64_t at = 0; at < row; at++) {
    const int32_t length = offsets[at + 1] - offsets[at];
    if (length) memcpy(plain.data + offsets[at], c->data + c->offsets[c->codes[at]], (size_t)length);
  }
  free(c->data);
  free(c->offsets);
  free(c->codes);
  free(c->texts);
  plain.size = size;
  plain.offsets = offsets;
  plain.codes = NULL;
  plain.texts = NULL;
  *c = plain;
  return PUT;
}

/* Text of a column that is a dictionary so far. Only what is stored as the server sends it has a code. */
static put_result put_repeated(column *c, int64_t row, int64_t room, const char *text, size_t length) {
  const uint8_t *bytes = (const uint8_t *)text;
  const uint64_t hash = hash_bytes(bytes, length);
  uint16_t *slot = dictionary_slot(c->texts, c->data, c->offsets, hash, text, length);
  if (!*slot) {
    dictionary *texts = c->texts;
    const bool as_sent = is_ascii(bytes, length) || (c->kind != KIND_LATIN1 && is_utf8(bytes, length));
    if (!as_sent || length > DICTIONARY_TEXT_BYTES || texts->count == DICTIONARY_TEXTS) {
      const put_result ended = end_dictionary(c, row, room);
      return ended == PUT ? put_text(c, row, text, length) : ended;
    }
    if (reserve_bytes(c, length) != PUT) return NO_MEMORY;
    if (length) memcpy(c->data + c->size, text, length);
    c->size += length;
    c->offsets[texts->count + 1] = (int32_t)c->size;
    texts->hashes[texts->count] = hash;
    *slot = (uint16_t)++texts->count;
  }
  c->codes[row] = *slot - 1;
  c->checksum += hash;
  return PUT;
}

static put_result put_escaped(column *c, int64_t row, const char *text, size_t length) {
  const bool marked = c->kind == KIND_CONVERTED && length && (uint8_t)text[0] == 0xFF;
  const put_result reserved = reserve_bytes(c, 4 * length);
  if (reserved != PUT) return reserved;
  return end_bytes(c, row, escape_utf8((const uint8_t *)text + marked, length - marked, c->data + c->size));
}

static put_result put_geometry(column *c, int64_t row, const char *text, size_t length) {
  uint32_t srid, type;
  if (length < 9 || text[4] != 1) return INVALID; /* servers store little endian */
  memcpy(&srid, text, 4);
  if (srid == 0) return put_bytes(c, row, text + 4, length - 4);
  const put_result reserved = reserve_bytes(c, length);
  if (reserved != PUT) return reserved;
  memcpy(&type, text + 5, 4);
  type |= UINT32_C(0x20000000); /* EWKB: the SRID follows the type */
  uint8_t *to = c->data + c->size;
  to[0] = 1;
  memcpy(to + 1, &type, 4);
  memcpy(to + 5, &srid, 4);
  memcpy(to + 9, text + 9, length - 9);
  return end_bytes(c, row, length);
}

static inline void put_integer(column *c, int64_t row, int64_t value) {
  switch (c->width) {
    case 0: c->data[row >> 3] |= (uint8_t)(value << (row & 7)); break;
    case 1: ((int8_t *)c->data)[row] = (int8_t)value; break;
    case 2: ((int16_t *)c->data)[row] = (int16_t)value; break;
    case 4: ((int32_t *)c->data)[row] = (int32_t)value; break;
    default: ((int64_t *)c->data)[row] = value;
  }
  c->checksum += hash_word((uint64_t)value);
}

typedef union {
  int64_t integer;
  int32_t days;
  int128 decimal;
  double real;
} parsed;

static inline int64_t highest(const column *c) {
  return c->kind == KIND_BOOL ? 1 : c->width == 8 ? INT64_MAX : ((int64_t)1 << (8 * c->width - 1)) - 1;
}

static inline int64_t lowest(const column *c) { return c->kind == KIND_BOOL ? 0 : -highest(c) - 1; }

static inline bool parse_wire(const column *c, const char *bytes, size_t length, parsed *value) {
  switch (c->kind) {
    case KIND_BOOL:
    case KIND_INTEGER: return wire_integer(c->wire, bytes, lowest(c), highest(c), &value->integer);
    case KIND_DECIMAL: return wire_decimal(c->wire, bytes, c->precision, c->scale, &value->decimal);
    case KIND_FLOAT32: return wire_double(c->wire, bytes, &value->real) && (double)(float)value->real == value->real;
    case KIND_FLOAT64: return wire_double(c->wire, bytes, &value->real);
    case KIND_DATE: return wire_date(bytes, length, &value->days);
    case KIND_TIMESTAMP: return wire_timestamp(bytes, length, &value->integer);
    case KIND_TIME: return wire_time(bytes, length, &value->integer);
    default: return false; /* nothing else comes so, see `rows_open` */
  }
}

static inline bool parse(const column *c, const char *text, size_t length, parsed *value) {
  if (c->wire != WIRE_TEXT) return parse_wire(c, text, length, value);
  switch (c->kind) {
    case KIND_BOOL:
    case KIND_INTEGER: return parse_integer(text, length, lowest(c), highest(c), &value->integer);
    case KIND_DECIMAL: return parse_decimal(text, length, c->precision, c->scale, &value->decimal);
    case KIND_FLOAT32: return parse_double(text, length, &value->real) && (double)(float)value->real == value->real;
    case KIND_FLOAT64: return parse_double(text, length, &value->real);
    case KIND_DATE: return parse_date(text, length, &value->days);
    case KIND_TIMESTAMP: return parse_timestamp(text, length, &value->integer);
    case KIND_TIME: return parse_time(text, length, &value->integer);
    default: return true;
  }
}

static inline put_result put_fixed(column *c, int64_t row, const char *text, size_t length) {
  parsed value;
  if (!parse(c, text, length, &value)) return INVALID;
  switch (c->kind) {
    case KIND_DECIMAL: {
      const uint64_t words[2] = {(uint64_t)value.decimal, (uint64_t)((unsigned __int128)value.decimal >> 64)};
      memcpy(c->data + 16 * row, words, 16);
      c->checksum += hash_wide(words[0], words[1]);
      break;
    }
    case KIND_FLOAT32: {
      const float single = (float)value.real;
      uint32_t word;
      memcpy(&word, &single, 4);
      ((uint32_t *)c->data)[row] = word;
      c->checksum += hash_word(word);
      break;
    }
    case KIND_FLOAT64: {
      uint64_t word;
      memcpy(&word, &value.real, 8);
      ((uint64_t *)c->data)[row] = word;
      c->checksum += hash_word(word);
      break;
    }
    case KIND_DATE: put_integer(c, row, value.days); break;
    default: put_integer(c, row, value.integer);
  }
  return PUT;
}

/* A column whose numbers or times arrive as the server's text, because some of them have no exact equal. */
static put_result put_as_string(column *c, int64_t row, const char *text, size_t length, int bits_of_integer) {
  column typed = *c;
  parsed value;
  typed.width = bits_of_integer / 8;
  if (!parse(&typed, text, length, &value)) c->invalid++;
  const put_result put = put_text(c, row, text, length);
  return put == INVALID ? put_escaped(c, row, text, length) : put;
}

static inline put_result put(column *c, int64_t row, int64_t room, const char *text, size_t length) {
  switch (c->kind) {
    case KIND_UTF8:
    case KIND_LATIN1:
    case KIND_CONVERTED: {
      const put_result result = c->texts ? put_repeated(c, row, room, text, length) : put_text(c, row, text, length);
      if (result != INVALID || c->on_invalid != INVALID_STRING) return result;
      c->invalid++;
      return put_escaped(c, row, text, length);
    }
    case KIND_BINARY: return put_bytes(c, row, text, length);
    case KIND_GEOMETRY: return put_geometry(c, row, text, length);
    default:
      /* The precision of an integer that is kept as text says its width in bits. */
      return c->width < 0 ? put_as_string(c, row, text, length, c->precision) : put_fixed(c, row, text, length);
  }
}

static bool put_null(column *c, int64_t row, int64_t room) {
  if (!c->valid) {
    if (!resize((void **)&c->valid, bitmap_bytes(room))) return false;
    memset(c->valid, 0xFF, bitmap_bytes(room));
  }
  c->valid[row >> 3] &= (uint8_t)~(1u << (row & 7));
  c->nulls++;
  c->checksum += HASH_OF_NULL;
  if (c->width > 0) memset(c->data + (size_t)row * (size_t)c->width, 0, (size_t)c->width);
  if (c->texts)
    c->codes[row] = 0;
  else if (c->width < 0)
    c->offsets[row + 1] = (int32_t)c->size;
  return true;
}

static void keep_sample(sample *kept, const column *c, const char *text, size_t length) {
  if (text && c->wire != WIRE_TEXT) {
    kept->length = (uint8_t)wire_text(c->wire, text, length, c->digits, (char *)kept->bytes);
    return;
  }
  kept->length = !text ? SAMPLE_NULL : length < SAMPLE_BYTES ? (uint8_t)length : SAMPLE_BYTES;
  if (text) memcpy(kept->bytes, text, kept->length);
}

static bool note_invalid(batch *b, column *c, char **row, const unsigned long *lengths) {
  c->invalid++;
  if (c->on_invalid != INVALID_FAIL || c->samples) return true;
  c->samples = malloc(sizeof *c->samples * (size_t)(b->key_count + 1));
  if (!c->samples) return false;
  c->sample_row = b->rows;
  const long at = c - b->columns;
  const bool marked = c->kind == KIND_CONVERTED && lengths[at] && (uint8_t)row[at][0] == 0xFF;
  keep_sample(&c->samples[0], c, row[at] + marked, lengths[at] - marked);
  for (int key = 0; key < b->key_count; key++) {
    const int of = b->keys[key];
    keep_sample(&c->samples[key + 1], &b->columns[of], row[of], lengths[of]);
  }
  return true;
}

static fetch_status put_row(batch *b, char **row, const unsigned long *lengths) {
  if (b->rows == b->room) {
    const int64_t first = b->usual_rows > FIRST_ROWS ? b->usual_rows : FIRST_ROWS;
    if (!reserve_rows(b, b->room ? b->room * 2 : first)) return FETCH_NO_MEMORY;
  }
  for (int at = 0; at < b->count; at++) {
    column *c = &b->columns[at];
    if (!row[at]) {
      if (!put_null(c, b->rows, b->room)) return FETCH_NO_MEMORY;
      continue;
    }
    switch (put(c, b->rows, b->room, row[at], lengths[at])) {
      case PUT: break;
      case NO_MEMORY: return FETCH_NO_MEMORY;
      case TOO_LARGE: return FETCH_TOO_LARGE;
      case INVALID:
        if (!note_invalid(b, c, row, lengths) || !put_null(c, b->rows, b->room)) return FETCH_NO_MEMORY;
    }
    b->bytes += c->width < 0 ? lengths[at] + 4 : (size_t)c->width;
  }
  b->rows++;
  return FETCH_MORE;
}

fetch_status fetch_batch(struct rows *rows, batch *b, int64_t max_rows, size_t max_bytes) {
  while (b->rows < max_rows && b->bytes < max_bytes) {
    const rows_status found = rows_next(rows);
    if (found != ROW) return found == ROWS_END ? FETCH_END : FETCH_SERVER_ERROR;
    const fetch_status status = put_row(b, rows->cells, rows->lengths);
    if (status != FETCH_MORE) return status;
  }
  return FETCH_MORE;
}

void clear_batch(batch *b) {
  for (column *c = b->columns; c < b->columns + b->count; c++) {
    free(c->data);
    free(c->offsets);
    free(c->texts);
    free(c->codes);
    free(c->valid);
    free(c->samples);
    c->data = c->valid = NULL;
    c->offsets = c->codes = NULL;
    c->texts = NULL;
    c->samples = NULL;
    c->size = c->room = 0;
    c->nulls = c->invalid = 0;
    c->checksum = 0;
  }
  b->rows = b->room = 0;
  b->bytes = 0;
}
