/* fork() after rollcore_new(): the handle is dead in the child, and lives in the parent. */
#include "host.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int stop;

/* Holds the library's locks most of the time. */
static void *busy(void *rc) {
    while (!stop) {
        rollcore_op op;
        if (rollcore_submit(rc, "process.status", NULL, 0, &op, NULL) == ROLLCORE_OK) {
            rollcore_wait(rc, op, 1000, NULL, NULL);
        }
        rollcore *other = NULL;
        if (rollcore_new(NULL, &other, NULL) == ROLLCORE_OK) {
            rollcore_free(other);
        }
    }
    return NULL;
}

static void in_child(rollcore *rc, const rollcore_event *event) {
    rollcore_event *none = NULL;
    char *out = NULL;
    alarm(20);
    EXPECT(ROLLCORE_E_FORKED, rollcore_submit(rc, "process.status", NULL, 0, NULL, &error));
    EXPECT(ROLLCORE_E_FORKED, rollcore_next_event(rc, -1, &none, &error));
    EXPECT(ROLLCORE_E_FORKED, rollcore_wait(rc, 1, -1, &out, &error));
    EXPECT(ROLLCORE_E_FORKED, rollcore_snapshot(rc, NULL, &out, &error));
    EXPECT(ROLLCORE_E_FORKED, rollcore_cancel(rc, 1));
    EXPECT(ROLLCORE_E_FORKED, rollcore_subscribe(rc, NULL, &error));
    EXPECT(ROLLCORE_E_FORKED, rollcore_set_wakeup(rc, NULL, NULL));
    EXPECT(ROLLCORE_E_FORKED, rollcore_shutdown(rc, NULL, 0, NULL, &error));
    CHECK(rollcore_event_fd(rc) == -1 && rollcore_dup_wake_fd(rc) == -1);
    CHECK(rollcore_event_json(event) == NULL);
    rollcore_interrupt(rc);
    rollcore_free(rc);

    rollcore *own = open_with(NULL);
    CHECK(own != rc);
    done(own, "process.define", "{\"id\":\"a\",\"command\":\"exec sleep 60\"}");
    done(own, "process.start", "{\"id\":\"a\"}");
    rollcore_free(own);

    /* And once more: a fork of the fork. */
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        EXPECT(ROLLCORE_E_ARGUMENT, rollcore_submit(NULL, "process.status", NULL, 0, NULL, &error));
        EXPECT(ROLLCORE_E_FORKED, rollcore_submit(own, "process.status", NULL, 0, NULL, &error));
        EXPECT(ROLLCORE_E_FORKED, rollcore_submit(rc, "process.status", NULL, 0, NULL, &error));
        rollcore_free(open_with(NULL));
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void) {
    rollcore *rc = open_with(NULL);
    done(rc, "process.define", "{\"id\":\"a\",\"command\":\"exec sleep 60\"}");
    char *started = finish(rc, begin(rc, "process.start", "{\"id\":\"a\"}"));
    pid_t process = (pid_t)number_in(started, "pid");
    rollcore_string_free(started);
    rollcore_event *event = NULL;
    EXPECT(ROLLCORE_OK, rollcore_next_event(rc, 1000, &event, &error));

    pthread_t threads[2];
    pthread_create(&threads[0], NULL, busy, rc);
    pthread_create(&threads[1], NULL, busy, rc);
    for (int round = 0; round < 20; round++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            in_child(rc, event);
            /* exit, not _exit: what runs at exit runs in the child, too. */
            exit(0);
        }
        int status = 0;
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        CHECK(kill(process, 0) == 0);
    }
    stop = 1;
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);

    CHECK(rollcore_event_json(event) != NULL);
    rollcore_event_free(event);
    done(rc, "process.stop", "{\"id\":\"a\"}");
    CHECK(kill(process, 0) == -1 && errno == ESRCH);
    rollcore_free(rc);
    puts("ok");
    return 0;
}
