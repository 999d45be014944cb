/* Handles and events that are freed in every order, by several threads, twice; and 200 handles one after the other. */
#include "host.h"

#include <dirent.h>
#include <pthread.h>
#include <unistd.h>

static int entries(const char *folder) {
    DIR *dir = opendir(folder);
    CHECK(dir != NULL);
    int count = 0;
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}

static long resident_kb(void) {
    char line[256];
    long kb = 0;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status)) {
        if (sscanf(line, "VmRSS: %ld", &kb) == 1) {
            break;
        }
    }
    fclose(status);
    return kb;
}

/* A thread that was joined may still be listed for a moment. */
static int threads_settle_at(int wanted) {
    double until = now_ms() + 5000;
    int count;
    while ((count = entries("/proc/self/task")) > wanted && now_ms() < until) {
        usleep(1000);
    }
    return count;
}

static rollcore_event *one_event(rollcore *rc) {
    rollcore_event *event = NULL;
    begin(rc, "process.status", NULL);
    EXPECT(ROLLCORE_OK, rollcore_next_event(rc, 30000, &event, &error));
    return event;
}

/* Events outlive their handle, and go in any order. */
static void every_order(void) {
    for (int order = 0; order < 6; order++) {
        rollcore *rc = open_with(NULL);
        rollcore_event *first = one_event(rc), *second = one_event(rc);
        switch (order) {
        case 0: rollcore_free(rc), rollcore_event_free(first), rollcore_event_free(second); break;
        case 1: rollcore_free(rc), rollcore_event_free(second), rollcore_event_free(first); break;
        case 2: rollcore_event_free(first), rollcore_free(rc), rollcore_event_free(second); break;
        case 3: rollcore_event_free(second), rollcore_free(rc), rollcore_event_free(first); break;
        case 4: rollcore_event_free(first), rollcore_event_free(second), rollcore_free(rc); break;
        case 5: rollcore_event_free(second), rollcore_event_free(first), rollcore_free(rc); break;
        }
        rollcore_free(rc), rollcore_event_free(first), rollcore_event_free(second);
        CHECK(rollcore_event_json(first) == NULL);
    }
}

static void *free_it(void *rc) {
    rollcore_free(rc);
    return NULL;
}

static void *wait_for_ever(void *rc) {
    rollcore_event *event;
    rollcore_status status;
    while ((status = rollcore_next_event(rc, -1, &event, NULL)) == ROLLCORE_OK) {
        rollcore_event_free(event);
    }
    /* Freed before the wait began, or while it was under way. */
    CHECK(status == ROLLCORE_CLOSED || status == ROLLCORE_E_ARGUMENT);
    return NULL;
}

static void *submit_until_closed(void *rc) {
    while (rollcore_submit(rc, "process.status", NULL, 0, NULL, NULL) == ROLLCORE_OK) {
        drain(rc);
    }
    return NULL;
}

/* Threads that wait, submit and free at the same time. */
static void several_threads(void) {
    for (int round = 0; round < 10; round++) {
        rollcore *rc = open_with("{\"workerThreads\":2}");
        done(rc, "process.define", "{\"id\":\"a\",\"command\":\"exec sleep 60\"}");
        done(rc, "process.start", "{\"id\":\"a\"}");
        pthread_t threads[6];
        pthread_create(&threads[0], NULL, wait_for_ever, rc);
        pthread_create(&threads[1], NULL, wait_for_ever, rc);
        pthread_create(&threads[2], NULL, submit_until_closed, rc);
        pthread_create(&threads[3], NULL, submit_until_closed, rc);
        usleep(1000 * (useconds_t)round);
        pthread_create(&threads[4], NULL, free_it, rc);
        pthread_create(&threads[5], NULL, free_it, rc);
        for (int i = 0; i < 6; i++) {
            pthread_join(threads[i], NULL);
        }
    }
}

int main(void) {
    every_order();
    several_threads();

    for (int i = 0; i < 20; i++) {
        rollcore_free(open_with(NULL));
    }
    int threads = threads_settle_at(3), fds = entries("/proc/self/fd");
    long kb = resident_kb();
    double began = now_ms();
    for (int i = 0; i < 200; i++) {
        rollcore *rc = open_with(NULL);
        CHECK(rollcore_event_fd(rc) >= 0);
        int wake = rollcore_dup_wake_fd(rc);
        CHECK(wake >= 0);
        close(wake);
        rollcore_event_free(one_event(rc));
        rollcore_free(rc);
    }
    double each = (now_ms() - began) / 200;
    int more_threads = threads_settle_at(threads) - threads, more_fds = entries("/proc/self/fd") - fds;
    long more_kb = resident_kb() - kb;
    printf("200 handles: %.2f ms each, %+d threads, %+d descriptors, %+ld kB\n", each, more_threads, more_fds,
           more_kb);
    CHECK(more_threads <= 0 && more_fds == 0 && more_kb < 2048);
    puts("ok");
    return 0;
}
