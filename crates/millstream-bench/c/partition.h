/* Which partition a key belongs to: MurmurHash2 as Kafka's Java client uses it. */
#ifndef PARTITION_H
#define PARTITION_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t murmur2(const unsigned char *key, size_t len) {
    const uint32_t m = 0x5bd1e995;
    uint32_t hash = 0x9747b28c ^ (uint32_t)len;
    for (; len >= 4; key += 4, len -= 4) {
        uint32_t k;
        memcpy(&k, key, 4); /* little-endian machines only, as everything that this runs on */
        k *= m;
        k ^= k >> 24;
        hash = (hash * m) ^ (k * m);
    }
    if (len > 0) {
        for (size_t i = 0; i < len; i++)
            hash ^= (uint32_t)key[i] << (8 * i);
        hash *= m;
    }
    hash ^= hash >> 13;
    hash *= m;
    return hash ^ (hash >> 15);
}

static inline int32_t partition_of(const void *key, size_t len, int32_t partitions) {
    return (int32_t)((murmur2(key, len) & 0x7fffffff) % (uint32_t)partitions);
}

#endif
