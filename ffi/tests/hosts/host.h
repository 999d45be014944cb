/* What the hosts of the tests share. A check that fails says where, and ends the host with 1. */
#ifndef HOST_H
#define HOST_H

#include "rollcore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

/* A call that has to give this status; what it says otherwise is printed. */
#define EXPECT(wanted, call) expect(wanted, call, &error, #call, __LINE__)

static char *error;

static inline void expect(rollcore_status wanted, rollcore_status got, char **why, const char *call,
                          int line) {
    if (wanted != got) {
        fprintf(stderr, "line %d: %s: %s instead of %s: %s\n", line, call, rollcore_status_name(got),
                rollcore_status_name(wanted), *why ? *why : "no error");
        exit(1);
    }
    rollcore_string_free(*why);
    *why = NULL;
}

static inline rollcore *open_with(const char *options) {
    rollcore *rc = NULL;
    EXPECT(ROLLCORE_OK, rollcore_new(options, &rc, &error));
    CHECK(rc != NULL);
    return rc;
}

static inline rollcore_op begin(rollcore *rc, const char *method, const char *params) {
    rollcore_op op = 0;
    EXPECT(ROLLCORE_OK, rollcore_submit(rc, method, params, 0, &op, &error));
    CHECK(op != 0);
    return op;
}

/* Waits until it is over, signals or not; its result is the caller's. */
static inline char *finish(rollcore *rc, rollcore_op op) {
    char *result = NULL;
    rollcore_status status;
    do {
        status = rollcore_wait(rc, op, 30000, &result, &error);
    } while (status == ROLLCORE_INTERRUPTED);
    EXPECT(ROLLCORE_OK, status);
    return result;
}

static inline void done(rollcore *rc, const char *method, const char *params) {
    rollcore_string_free(finish(rc, begin(rc, method, params)));
}

static inline void drain(rollcore *rc) {
    rollcore_event *event;
    while (rollcore_next_event(rc, 0, &event, NULL) == ROLLCORE_OK) {
        rollcore_event_free(event);
    }
}

/* The number behind "key": in a JSON text. */
static inline long long number_in(const char *json, const char *key) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(json, quoted);
    CHECK(at != NULL);
    return strtoll(at + strlen(quoted), NULL, 10);
}

static inline double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

#endif
