/* The count of each key, and which of them changed since they were last written. */
#ifndef COUNTS_H
#define COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t count;
    int64_t timestamp; /* the largest among its records, ms */
    uint32_t key;      /* where it begins in counts_t.keys */
    uint32_t key_len;
    bool dirty;
} row_t;

typedef struct {
    uint32_t hash;
    uint32_t row; /* its number + 1; 0 is an empty slot */
} slot_t;

/* Rows lie in one array and keys in another; the slots (open addressing, linear probing) lead to the rows. */
typedef struct {
    slot_t *slots;
    size_t slots_mask;
    row_t *rows;
    size_t rows_len, rows_cap;
    char *keys;
    size_t keys_len, keys_cap;
    uint32_t *dirty; /* as many as there are rows at most */
    size_t dirty_len;
} counts_t;

void counts_init(counts_t *counts);
void counts_destroy(counts_t *counts);

/* Counts one record; the row is valid until the next call. */
const row_t *counts_add(counts_t *counts, const void *key, size_t key_len, int64_t timestamp);

#endif
