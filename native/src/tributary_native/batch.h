/* A batch: columns that grow row by row while the server sends them, and then become one Arrow struct array. */
#ifndef TRIBUTARY_BATCH_H
#define TRIBUTARY_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arrow.h"
#include "dictionary.h"
#include "wire.h"

typedef enum {
  KIND_BOOL,
  KIND_INTEGER,
  KIND_DECIMAL,
  KIND_FLOAT32,
  KIND_FLOAT64,
  KIND_DATE,
  KIND_TIMESTAMP,
  KIND_TIME,
  KIND_UTF8,
  KIND_LATIN1,
  KIND_CONVERTED, /* UTF-8 made by the server; the byte 0xFF before the original bytes marks what it could not convert */
  KIND_BINARY,
  KIND_GEOMETRY, /* MySQL's own form: SRID, then WKB. Becomes WKB, or EWKB where the SRID is not 0 */
} column_kind;

typedef enum { INVALID_FAIL, INVALID_NULL, INVALID_STRING } invalid_policy;

#define SAMPLE_BYTES 80
#define SAMPLE_NULL 255

typedef struct {
  uint8_t length; /* SAMPLE_NULL: the value is NULL */
  uint8_t bytes[SAMPLE_BYTES];
} sample;

typedef struct {
  /* given */
  column_kind kind;
  invalid_policy on_invalid;
  int width;            /* bytes of a fixed-width value; 0: bits (bool), -1: text or bytes behind offsets */
  int precision, scale; /* of a decimal */
  const char *name, *format;
  bool repeats;      /* of text: keep it as a dictionary while its values are few and short */
  size_t usual_size; /* of the batch before */
  wire wire;         /* how its values come */
  unsigned digits;   /* of a second's fraction, where they come as times */
  /* of this batch */
  uint8_t *data;
  size_t size, room; /* bytes behind offsets */
  int32_t *offsets;
  dictionary *texts; /* where the rows are `codes`, and data and offsets hold each text once */
  int32_t *codes;
  uint8_t *valid; /* a bit per row; missing while there is no NULL */
  int64_t nulls, invalid;
  int64_t sample_row;
  sample *samples; /* of the first invalid value under INVALID_FAIL: the value, then the key columns' values */
  uint64_t checksum;
} column;

typedef struct {
  int count, key_count;
  column *columns;
  int *keys; /* positions of the key columns, for samples */
  int64_t usual_rows; /* of the batch before */
  int64_t rows, room;
  size_t bytes;
} batch;

typedef enum { FETCH_MORE, FETCH_END, FETCH_SERVER_ERROR, FETCH_NO_MEMORY, FETCH_TOO_LARGE } fetch_status;

struct rows;

/* Reads rows into the empty batch until it has `max_rows`, or at least `max_bytes`, or the result ends. */
fetch_status fetch_batch(struct rows *rows, batch *batch, int64_t max_rows, size_t max_bytes);

/* Moves the columns out; the batch is empty afterwards. Returns 0, or -1 without memory (nothing is moved then). */
int export_batch(batch *batch, struct ArrowSchema *schema, struct ArrowArray *array);

/* Frees what the batch holds; its description stays. */
void clear_batch(batch *batch);

#endif
