#include "filter.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "clients.h"

#define LEAST_PRICE 500000

typedef struct {
    const char *at, *end;
} cursor_t;

static void expect(cursor_t *cursor, char c) {
    if (cursor->at >= cursor->end || *cursor->at != c)
        die("not the JSON expected: no '%c' where it should be", c);
    cursor->at++;
}

/* Moves behind a text in quotes, and gives what is between them. */
static const char *text(cursor_t *cursor, size_t *len) {
    expect(cursor, '"');
    const char *start = cursor->at;
    while (cursor->at < cursor->end && *cursor->at != '"')
        cursor->at += *cursor->at == '\\' ? 2 : 1;
    *len = (size_t)(cursor->at - start);
    expect(cursor, '"');
    return start;
}

static uint64_t number(cursor_t *cursor) {
    const char *start = cursor->at;
    uint64_t number = 0;
    for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++)
        number = number * 10 + (uint64_t)(*cursor->at - '0');
    if (cursor->at == start)
        die("not the JSON expected: no number where it should be");
    return number;
}

size_t filter_bid(const char *json, size_t len, char *projected, size_t room) {
    cursor_t cursor = {.at = json, .end = json + len};
    uint64_t auction = 0, price = 0;
    bool has_auction = false, has_price = false;
    /* Bids are flat objects of texts and whole numbers without spaces. All of one is read, as by any parser. */
    for (char before = '{';; before = ',') {
        expect(&cursor, before);
        size_t name_len, value_len;
        const char *name = text(&cursor, &name_len);
        expect(&cursor, ':');
        if (cursor.at < cursor.end && *cursor.at == '"') {
            text(&cursor, &value_len);
        } else if (name_len == 7 && memcmp(name, "auction", 7) == 0) {
            auction = number(&cursor);
            has_auction = true;
        } else if (name_len == 5 && memcmp(name, "price", 5) == 0) {
            price = number(&cursor);
            has_price = true;
        } else {
            number(&cursor);
        }
        if (cursor.at < cursor.end && *cursor.at == '}')
            break;
    }
    if (!has_auction || !has_price)
        die("not the JSON expected: a bid without auction or price");
    if (price < LEAST_PRICE)
        return 0;
    return (size_t)snprintf(projected, room, "{\"auction\":%llu,\"price\":%llu}", (unsigned long long)auction,
                            (unsigned long long)price);
}
