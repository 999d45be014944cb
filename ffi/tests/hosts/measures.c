/* What it costs a host: spawning beside 2 GiB, from submit to completion, events through the pipe, an idle engine. */
#include "host.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int by_value(const void *one, const void *other) {
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static void print(const char *what, double *all, int count) {
    qsort(all, (size_t)count, sizeof *all, by_value);
    printf("%s: median %.3f ms, p99 %.3f ms, of %d\n", what, all[count / 2], all[count - 1 - count / 100], count);
}

static double status_kb(const char *key) {
    char line[256], name[32];
    double kb = 0;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status)) {
        if (sscanf(line, "%31[^:]: %lf", name, &kb) == 2 && strcmp(name, key) == 0) {
            break;
        }
    }
    fclose(status);
    return kb;
}

static double spawns(rollcore *rc, const char *what) {
    enum { COUNT = 50 };
    double took[COUNT];
    done(rc, "process.define", "{\"id\":\"s\",\"command\":[\"/bin/true\"],\"restart\":{\"maxRestarts\":0}}");
    for (int i = 0; i < COUNT; i++) {
        double began = now_ms();
        done(rc, "process.start", "{\"id\":\"s\"}");
        took[i] = now_ms() - began;
        done(rc, "process.stop", "{\"id\":\"s\"}");
        drain(rc);
    }
    print(what, took, COUNT);
    return took[COUNT / 2];
}

static void resident(void) {
    rollcore *rc = open_with(NULL);
    double before = spawns(rc, "spawn");
    size_t size = (size_t)2 << 30;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    madvise(memory, size, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < size; at += 4096) {
        memory[at] = 1;
    }
    printf("resident: %.0f MiB\n", status_kb("VmRSS") / 1024);
    double after = spawns(rc, "spawn with 2 GiB");
    double began = now_ms();
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    printf("fork with 2 GiB, to compare: %.3f ms\n", now_ms() - began);
    CHECK(pid > 0 && waitpid(pid, NULL, 0) == pid);
    /* It does not grow with the host. */
    CHECK(after < before * 3 + 5);
    rollcore_free(rc);
    munmap(memory, size);
}

static void latency(void) {
    enum { COUNT = 5000 };
    static double took[COUNT];
    rollcore *rc = open_with(NULL);
    struct pollfd poll_fd = {rollcore_event_fd(rc), POLLIN, 0};
    for (int i = 0; i < COUNT; i++) {
        rollcore_event *event;
        double began = now_ms();
        begin(rc, "port.release", "{\"leaseId\":\"none\"}");
        CHECK(poll(&poll_fd, 1, 10000) == 1);
        EXPECT(ROLLCORE_OK, rollcore_next_event(rc, 0, &event, &error));
        took[i] = now_ms() - began;
        rollcore_event_free(event);
    }
    print("submit to completion, poll on the eventfd", took, COUNT);
    for (int i = 0; i < COUNT; i++) {
        double began = now_ms();
        rollcore_op op = begin(rc, "port.release", "{\"leaseId\":\"none\"}");
        CHECK(rollcore_wait(rc, op, 10000, NULL, NULL) == ROLLCORE_E_NOT_FOUND);
        took[i] = now_ms() - began;
    }
    print("submit to completion, rollcore_wait", took, COUNT);
    rollcore_free(rc);
}

/* As an event loop that insists on reading does it. */
static void throughput(void) {
    enum { COUNT = 200000, AHEAD = 1000 };
    rollcore *rc = open_with(NULL);
    int wake = rollcore_dup_wake_fd(rc), submitted = 0, taken = 0, wakes = 0;
    struct pollfd poll_fd = {wake, POLLIN, 0};
    size_t bytes = 0;
    double began = now_ms();
    while (taken < COUNT) {
        while (submitted < COUNT && submitted - taken < AHEAD) {
            begin(rc, "port.release", "{\"leaseId\":\"none\"}");
            submitted++;
        }
        CHECK(poll(&poll_fd, 1, 10000) == 1);
        char pending[16];
        ssize_t ignored = read(wake, pending, sizeof pending);
        (void)ignored;
        wakes++;
        rollcore_event *event;
        while (rollcore_next_event(rc, 0, &event, NULL) == ROLLCORE_OK) {
            bytes += strlen(rollcore_event_json(event));
            rollcore_event_free(event);
            taken++;
        }
    }
    double seconds = (now_ms() - began) / 1000;
    printf("events through the wake pipe: %.0f per second, %.0f bytes each, %d wake-ups\n", COUNT / seconds,
           (double)bytes / COUNT, wakes);
    close(wake);
    rollcore_free(rc);
}

static void idle(void) {
    double empty = status_kb("VmRSS");
    rollcore *rc = open_with(NULL);
    double opened = status_kb("VmRSS");
    done(rc, "engine.open",
         "{\"config\":{\"proxy\":{\"port\":0},\"processes\":[{\"id\":\"web\",\"policy\":\"proxied\",\"command\":[\"sleep\",\"60\"],"
         "\"port\":0,\"health\":false}]}}");
    done(rc, "engine.deploy", "{\"releaseId\":\"v1\",\"releasePath\":\"/\"}");
    drain(rc);
    usleep(200000);
    printf("resident: %.1f MiB without, %.1f MiB with a handle, %.1f MiB with an idle engine and a release\n",
           empty / 1024, opened / 1024, status_kb("VmRSS") / 1024);
    rollcore_free(rc);
}

int main(void) {
    idle();
    latency();
    throughput();
    resident();
    puts("ok");
    return 0;
}
