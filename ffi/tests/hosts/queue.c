/* The descriptor, the pipe, the hint, the bound and the filter. */
#include "host.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

static int readable(int fd) {
    struct pollfd poll_fd = {fd, POLLIN, 0};
    CHECK(poll(&poll_fd, 1, 0) >= 0);
    return (poll_fd.revents & POLLIN) != 0;
}

static void wait_readable(int fd) {
    struct pollfd poll_fd = {fd, POLLIN, 0};
    CHECK(poll(&poll_fd, 1, 10000) == 1);
}

static void descriptors(void) {
    rollcore *rc = open_with(NULL);
    int event_fd = rollcore_event_fd(rc), polled = rollcore_dup_wake_fd(rc), read_too = rollcore_dup_wake_fd(rc);
    CHECK(event_fd >= 0 && polled >= 0 && read_too >= 0 && polled != read_too);
    CHECK((fcntl(event_fd, F_GETFD) & FD_CLOEXEC) && (fcntl(polled, F_GETFD) & FD_CLOEXEC));
    CHECK(!readable(event_fd) && !readable(polled) && !readable(read_too));

    begin(rc, "process.status", NULL);
    begin(rc, "process.status", NULL);
    wait_readable(event_fd);
    wait_readable(polled);
    wait_readable(read_too);
    char byte;
    CHECK(read(read_too, &byte, 1) == 1);
    rollcore_event *event;
    EXPECT(ROLLCORE_OK, rollcore_next_event(rc, 1000, &event, &error));
    rollcore_event_free(event);
    EXPECT(ROLLCORE_OK, rollcore_next_event(rc, 1000, &event, &error));
    rollcore_event_free(event);
    CHECK(!readable(event_fd) && !readable(polled) && !readable(read_too));

    /* A pipe that comes later knows at once, and one that the host has closed is no harm. */
    rollcore_op op = begin(rc, "process.status", NULL);
    wait_readable(event_fd);
    int late = rollcore_dup_wake_fd(rc);
    wait_readable(late);
    close(polled);
    rollcore_string_free(finish(rc, op));
    CHECK(!readable(event_fd) && !readable(late));
    begin(rc, "process.status", NULL);
    wait_readable(late);
    drain(rc);

    /* They are counted. */
    int given = 3;
    while (rollcore_dup_wake_fd(rc) >= 0) {
        given++;
        CHECK(given <= 64);
    }
    CHECK(given == 64);
    rollcore_free(rc);
    /* Whoever reads sees the end. */
    while (read(late, &byte, 1) == 1) {
    }
    CHECK(read(late, &byte, 1) == 0);
    close(late), close(read_too);
}

static void takes_its_own(void) {
    rollcore *rc = open_with(NULL);
    rollcore_op first = begin(rc, "process.status", NULL), second = begin(rc, "port.acquire", NULL);
    char *result = finish(rc, second);
    CHECK(number_in(result, "port") > 0);
    rollcore_string_free(result);
    EXPECT(ROLLCORE_E_NOT_FOUND, rollcore_wait(rc, second, 1000, NULL, &error));
    rollcore_event *event;
    EXPECT(ROLLCORE_OK, rollcore_next_event(rc, 10000, &event, &error));
    CHECK(rollcore_event_op(event) == first);
    rollcore_event_free(event);
    EXPECT(ROLLCORE_TIMEOUT, rollcore_next_event(rc, 10, &event, &error));
    /* A tag comes back as it was. */
    EXPECT(ROLLCORE_OK, rollcore_submit(rc, "process.status", NULL, UINT64_MAX, NULL, &error));
    EXPECT(ROLLCORE_OK, rollcore_next_event(rc, 10000, &event, &error));
    CHECK(rollcore_event_tag(event) == UINT64_MAX && rollcore_event_status(event) == ROLLCORE_OK);
    CHECK(strstr(rollcore_event_json(event), "\"tag\":18446744073709551615") != NULL);
    rollcore_event_free(event);
    rollcore_free(rc);
}

/* A host that does not read loses the oldest of what it has not asked for, and is told. */
static void bounded(void) {
    rollcore *rc = open_with("{\"queue\":4}");
    done(rc, "process.define", "{\"id\":\"a\",\"command\":\"exit 0\",\"restart\":{\"maxRestarts\":20},\"restartDelayMs\":1}");
    done(rc, "process.start", "{\"id\":\"a\"}");
    int exits = 0, others = 0, lagged = 0;
    double until = now_ms() + 100000;
    char *status = NULL;
    do {
        usleep(1000);
        rollcore_string_free(status);
        EXPECT(ROLLCORE_OK, rollcore_snapshot(rc, "{\"what\":\"processes\"}", &status, &error));
    } while ((number_in(status, "restarts") < 20 || !strstr(status, "\"failed\"") || strstr(status, "restartInMs")) &&
             now_ms() < until);
    rollcore_string_free(status);
    rollcore_event *event;
    /* The newest is there: that it stays down. */
    for (int last = 0; !last;) {
        EXPECT(ROLLCORE_OK, rollcore_next_event(rc, 30000, &event, &error));
        const char *type = rollcore_event_type(event);
        last = strcmp(type, "process.restart_limit") == 0;
        exits += strcmp(type, "process.exit") == 0;
        others += strncmp(type, "process.", 8) == 0;
        if (strcmp(type, "queue.lagged") == 0) {
            lagged += (int)number_in(rollcore_event_json(event), "dropped");
        }
        rollcore_event_free(event);
    }
    CHECK(exits == 21);
    CHECK(others - exits >= 1 && others - exits <= 4 && lagged > 10);
    rollcore_free(rc);
}

static void filtered(void) {
    rollcore *rc = open_with(NULL);
    EXPECT(ROLLCORE_OK, rollcore_subscribe(rc, "{\"types\":[\"process.exit\"]}", &error));
    done(rc, "process.define", "{\"id\":\"a\",\"command\":\"exit 0\",\"restart\":{\"maxRestarts\":0}}");
    done(rc, "process.start", "{\"id\":\"a\"}");
    rollcore_event *event;
    EXPECT(ROLLCORE_OK, rollcore_next_event(rc, 10000, &event, &error));
    CHECK(strcmp(rollcore_event_type(event), "process.exit") == 0);
    rollcore_event_free(event);
    EXPECT(ROLLCORE_TIMEOUT, rollcore_next_event(rc, 10, &event, &error));
    rollcore_free(rc);
}

static sem_t hinted;
static rollcore_status inside[3];

static void hint(void *user_data) {
    rollcore *rc = user_data;
    rollcore_event *event;
    inside[0] = rollcore_next_event(rc, -1, &event, NULL);
    inside[1] = rollcore_wait(rc, 1, 100, NULL, NULL);
    inside[2] = rollcore_set_wakeup(rc, NULL, NULL);
    rollcore_free(rc);
    sem_post(&hinted);
}

static void wait_hinted(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    CHECK(sem_timedwait(&hinted, &until) == 0);
}

static void hints(void) {
    sem_init(&hinted, 0, 0);
    rollcore *rc = open_with(NULL);
    EXPECT(ROLLCORE_OK, rollcore_set_wakeup(rc, hint, rc));
    begin(rc, "process.status", NULL);
    wait_hinted();
    for (int i = 0; i < 3; i++) {
        CHECK(inside[i] == ROLLCORE_E_DEADLOCK);
    }
    drain(rc);
    begin(rc, "process.status", NULL);
    wait_hinted();
    EXPECT(ROLLCORE_OK, rollcore_set_wakeup(rc, NULL, NULL));
    drain(rc);
    done(rc, "process.status", NULL);
    begin(rc, "process.status", NULL);
    wait_readable(rollcore_event_fd(rc));
    CHECK(sem_trywait(&hinted) == -1);
    rollcore_free(rc);
}

int main(void) {
    descriptors();
    takes_its_own();
    bounded();
    filtered();
    hints();
    puts("ok");
    return 0;
}
