/* Ctrl-C, and whatever else ends a wait. */
#include "host.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static rollcore *rc;
static volatile sig_atomic_t came;

static void only_count(int signo) {
    (void)signo;
    came++;
}

static void and_interrupt(int signo) {
    (void)signo;
    came++;
    rollcore_interrupt(rc);
}

static void handle(int signo, void (*handler)(int)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    /* As most hosts have it: the system calls begin again, but poll(2) does not. */
    action.sa_flags = SA_RESTART;
    sigaction(signo, &action, NULL);
}

static void *signal_soon(void *thread) {
    usleep(50000);
    pthread_kill(*(pthread_t *)thread, SIGINT);
    return NULL;
}

static void *interrupt_soon(void *unused) {
    (void)unused;
    usleep(50000);
    rollcore_interrupt(rc);
    return NULL;
}

static void *wait_interrupted(void *unused) {
    (void)unused;
    rollcore_event *event;
    CHECK(rollcore_next_event(rc, 20000, &event, NULL) == ROLLCORE_INTERRUPTED);
    return NULL;
}

static volatile int stop;

static void *new_and_free(void *unused) {
    (void)unused;
    while (!stop) {
        rollcore_free(open_with(NULL));
    }
    return NULL;
}

int main(void) {
    pthread_t self = pthread_self(), other, others[8];
    rollcore_event *event = NULL;
    rc = open_with(NULL);
    drain(rc);

    /* A signal that the host handles ends a wait for an event, and one for an operation. */
    handle(SIGINT, only_count);
    pthread_create(&other, NULL, signal_soon, &self);
    EXPECT(ROLLCORE_INTERRUPTED, rollcore_next_event(rc, -1, &event, &error));
    pthread_join(other, NULL);
    rollcore_op op = begin(rc, "health.check", "{\"url\":\"http://127.0.0.1:1/\",\"timeoutMs\":60000}");
    pthread_create(&other, NULL, signal_soon, &self);
    EXPECT(ROLLCORE_INTERRUPTED, rollcore_wait(rc, op, -1, NULL, &error));
    pthread_join(other, NULL);
    CHECK(came == 2);

    /* So does somebody else, once for each who waits. */
    for (int i = 0; i < 8; i++) {
        pthread_create(&others[i], NULL, wait_interrupted, NULL);
    }
    usleep(200000);
    rollcore_interrupt(rc);
    for (int i = 0; i < 8; i++) {
        pthread_join(others[i], NULL);
    }
    EXPECT(ROLLCORE_TIMEOUT, rollcore_next_event(rc, 20, &event, &error));
    pthread_create(&other, NULL, interrupt_soon, NULL);
    EXPECT(ROLLCORE_INTERRUPTED, rollcore_wait(rc, op, -1, NULL, &error));
    pthread_join(other, NULL);

    /* One that comes before the wait is not lost, and is there once. Who does not wait does not take it. */
    rollcore_interrupt(rc);
    EXPECT(ROLLCORE_TIMEOUT, rollcore_next_event(rc, 0, &event, &error));
    EXPECT(ROLLCORE_INTERRUPTED, rollcore_next_event(rc, -1, &event, &error));
    EXPECT(ROLLCORE_TIMEOUT, rollcore_next_event(rc, 20, &event, &error));

    /* In a signal handler, while other threads make and free handles: none is lost. */
    handle(SIGUSR1, and_interrupt);
    pthread_create(&others[0], NULL, new_and_free, NULL);
    pthread_create(&others[1], NULL, new_and_free, NULL);
    for (int i = 0; i < 200; i++) {
        pthread_kill(i % 3 ? others[i % 2] : self, SIGUSR1);
        rollcore_status status;
        while ((status = rollcore_next_event(rc, 10000, &event, NULL)) == ROLLCORE_OK) {
            rollcore_event_free(event);
        }
        CHECK(status == ROLLCORE_INTERRUPTED);
        /* EINTR and the handler's interrupt may be two. */
        while (rollcore_next_event(rc, 2, &event, NULL) == ROLLCORE_INTERRUPTED) {
        }
    }
    stop = 1;
    pthread_join(others[0], NULL);
    pthread_join(others[1], NULL);

    /* What was cancelled is over. */
    EXPECT(ROLLCORE_OK, rollcore_cancel(rc, op));
    EXPECT(ROLLCORE_E_CANCELLED, rollcore_wait(rc, op, 10000, NULL, &error));
    rollcore_free(rc);

    /* A closed handle ends a wait. */
    rc = open_with(NULL);
    op = begin(rc, "health.check", "{\"url\":\"http://127.0.0.1:1/\",\"timeoutMs\":60000}");
    rollcore_free(rc);
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_wait(rc, op, -1, NULL, &error));
    puts("ok");
    return 0;
}
