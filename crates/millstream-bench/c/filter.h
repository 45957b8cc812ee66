/* The workload filter: JSON by hand. */
#ifndef FILTER_H
#define FILTER_H

#include <stddef.h>

/* Writes {"auction":A,"price":P} of a bid, an object in JSON, with a price of at least 500,000, and returns its length; 0 for a
 * cheaper one. Ends the program when `json` is not an object with both numbers. */
size_t filter_bid(const char *json, size_t len, char *projected, size_t room);

#endif
