/* A batch becomes an Arrow struct array, without a copy. */
#include <stdlib.h>
#include <string.h>

#include "batch.h"

static void release_column_schema(struct ArrowSchema *schema) {
  if (schema->dictionary && schema->dictionary->release) schema->dictionary->release(schema->dictionary);
  free(schema->dictionary);
  free((void *)schema->format);
  free((void *)schema->name);
  schema->release = NULL;
}

static void release_schema(struct ArrowSchema *schema) {
  for (int64_t at = 0; at < schema->n_children; at++) {
    struct ArrowSchema *child = schema->children[at];
    if (child->release) child->release(child);
    free(child);
  }
  free(schema->children);
  schema->release = NULL;
}

static void release_column(struct ArrowArray *array) {
  if (array->dictionary && array->dictionary->release) array->dictionary->release(array->dictionary);
  free(array->dictionary);
  for (int64_t at = 0; at < array->n_buffers; at++) free((void *)array->buffers[at]);
  free(array->buffers);
  array->release = NULL;
}

static void release_array(struct ArrowArray *array) {
  for (int64_t at = 0; at < array->n_children; at++) {
    struct ArrowArray *child = array->children[at];
    if (child->release) child->release(child);
    free(child);
  }
  free(array->children);
  free(array->buffers);
  array->release = NULL;
}

static bool make_column_schema(const column *c, struct ArrowSchema *schema) {
  *schema = (struct ArrowSchema){
      .format = strdup(c->texts ? "i" : c->format), .name = strdup(c->name), .flags = ARROW_FLAG_NULLABLE, .release = release_column_schema};
  if (c->texts) {
    schema->dictionary = calloc(1, sizeof *schema->dictionary);
    if (!schema->dictionary) return false;
    *schema->dictionary = (struct ArrowSchema){.format = strdup(c->format), .name = strdup(""), .release = release_column_schema};
    if (!schema->dictionary->format || !schema->dictionary->name) return false;
  }
  return schema->format && schema->name;
}

static bool make_schema(const batch *b, struct ArrowSchema *schema) {
  *schema = (struct ArrowSchema){.format = "+s", .name = "", .release = release_schema};
  schema->children = calloc((size_t)b->count + 1, sizeof *schema->children);
  if (!schema->children) return false;
  for (; schema->n_children < b->count; schema->n_children++) {
    struct ArrowSchema *child = schema->children[schema->n_children] = calloc(1, sizeof *child);
    if (!child) return false;
    if (!make_column_schema(&b->columns[schema->n_children], child)) {
      schema->n_children++;
      return false;
    }
  }
  return true;
}

/* Room for a column's buffers and, where it has one, its dictionary. */
static struct ArrowArray *make_column(const column *c, int64_t rows) {
  struct ArrowArray *array = calloc(1, sizeof *array);
  if (!array) return NULL;
  array->release = release_column;
  array->length = rows;
  array->buffers = calloc(3, sizeof *array->buffers);
  if (c->texts) {
    column texts = *c;
    texts.texts = NULL;
    array->dictionary = make_column(&texts, c->texts->count);
  }
  if (array->buffers && (array->dictionary || !c->texts)) return array;
  release_column(array);
  free(array);
  return NULL;
}

static bool make_array(const batch *b, struct ArrowArray *array) {
  *array = (struct ArrowArray){.length = b->rows, .n_buffers = 1, .release = release_array};
  array->buffers = calloc(1, sizeof *array->buffers);
  array->children = calloc((size_t)b->count + 1, sizeof *array->children);
  if (!array->buffers || !array->children) return false;
  for (; array->n_children < b->count; array->n_children++) {
    array->children[array->n_children] = make_column(&b->columns[array->n_children], b->rows);
    if (!array->children[array->n_children]) return false;
  }
  return true;
}

int export_batch(batch *b, struct ArrowSchema *schema, struct ArrowArray *array) {
  const bool described = make_schema(b, schema), made = make_array(b, array);
  if (!described || !made) {
    release_schema(schema);
    release_array(array);
    return -1;
  }
  for (int at = 0; at < b->count; at++) {
    column *c = &b->columns[at];
    struct ArrowArray *child = array->children[at];
    child->null_count = c->nulls;
    child->buffers[0] = c->valid;
    if (c->texts) {
      child->buffers[1] = c->codes;
      child->n_buffers = 2;
      child = child->dictionary;
    }
    child->buffers[1] = c->width < 0 ? (void *)c->offsets : c->data;
    child->n_buffers = 2;
    if (c->width < 0) child->buffers[child->n_buffers++] = c->data;
    c->data = c->valid = NULL;
    c->offsets = c->codes = NULL;
  }
  clear_batch(b);
  return 0;
}
