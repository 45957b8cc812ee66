#include "counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *resized(void *memory, size_t count, size_t size) {
    memory = reallocarray(memory, count, size);
    if (!memory) {
        fprintf(stderr, "no memory for %zu elements of %zu bytes\n", count, size);
        exit(1);
    }
    return memory;
}

static slot_t *empty_slots(size_t count) {
    slot_t *slots = resized(NULL, count, sizeof(slot_t));
    memset(slots, 0, count * sizeof(slot_t));
    return slots;
}

void counts_init(counts_t *counts) {
    memset(counts, 0, sizeof(*counts));
    counts->slots = empty_slots(1024);
    counts->slots_mask = 1023;
}

void counts_destroy(counts_t *counts) {
    free(counts->slots);
    free(counts->rows);
    free(counts->keys);
    free(counts->dirty);
}

/* FNV-1a, 64 bits, folded: the low bits choose the slot. */
static uint32_t hash_of(const unsigned char *key, size_t len) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ key[i]) * 0x100000001b3;
    return (uint32_t)(hash ^ (hash >> 32));
}

static void double_slots(counts_t *counts) {
    size_t mask = counts->slots_mask * 2 + 1;
    slot_t *slots = empty_slots(mask + 1);
    for (size_t i = 0; i <= counts->slots_mask; i++) {
        slot_t slot = counts->slots[i];
        if (slot.row == 0)
            continue;
        size_t at = slot.hash & mask;
        while (slots[at].row != 0)
            at = (at + 1) & mask;
        slots[at] = slot;
    }
    free(counts->slots);
    counts->slots = slots;
    counts->slots_mask = mask;
}

static uint32_t add_row(counts_t *counts, const void *key, size_t key_len) {
    if (counts->rows_len == counts->rows_cap) {
        counts->rows_cap = counts->rows_cap ? counts->rows_cap * 2 : 1024;
        counts->rows = resized(counts->rows, counts->rows_cap, sizeof(row_t));
        counts->dirty = resized(counts->dirty, counts->rows_cap, sizeof(uint32_t));
    }
    if (counts->keys_len + key_len > counts->keys_cap) {
        counts->keys_cap = counts->keys_cap * 2 + key_len + 8192;
        counts->keys = resized(counts->keys, counts->keys_cap, 1);
    }
    memcpy(counts->keys + counts->keys_len, key, key_len);
    counts->rows[counts->rows_len] =
        (row_t){.timestamp = INT64_MIN, .key = (uint32_t)counts->keys_len, .key_len = (uint32_t)key_len};
    counts->keys_len += key_len;
    return (uint32_t)counts->rows_len++;
}

static uint32_t row_of(counts_t *counts, const void *key, size_t key_len) {
    uint32_t hash = hash_of(key, key_len);
    size_t at = hash & counts->slots_mask;
    for (; counts->slots[at].row != 0; at = (at + 1) & counts->slots_mask) {
        if (counts->slots[at].hash != hash)
            continue;
        const row_t *row = &counts->rows[counts->slots[at].row - 1];
        if (row->key_len == key_len && memcmp(counts->keys + row->key, key, key_len) == 0)
            return counts->slots[at].row - 1;
    }
    uint32_t row = add_row(counts, key, key_len);
    counts->slots[at] = (slot_t){.hash = hash, .row = row + 1};
    if (counts->rows_len * 2 > counts->slots_mask)
        double_slots(counts);
    return row;
}

const row_t *counts_add(counts_t *counts, const void *key, size_t key_len, int64_t timestamp) {
    uint32_t index = row_of(counts, key, key_len);
    row_t *row = &counts->rows[index];
    row->count++;
    if (timestamp > row->timestamp)
        row->timestamp = timestamp;
    if (!row->dirty) {
        row->dirty = true;
        counts->dirty[counts->dirty_len++] = index;
    }
    return row;
}
