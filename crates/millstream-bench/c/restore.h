/* The workload restore: a changelog is read, and nothing is kept. */
#ifndef RESTORE_H
#define RESTORE_H

/* Reads all that `changelog` has at the start, and writes the line that says how long it took. */
void restore(const char *bootstrap, const char *group, const char *changelog);

#endif
