/* A host with children of its own: it reaps everything, or ignores SIGCHLD, or has handlers and masks. */
#include "host.h"

#include <pthread.h>
#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 40 };

static volatile sig_atomic_t stop;
static int stolen;

/* Takes whatever it can get, as fast as it can. */
static void *thief(void *unused) {
    (void)unused;
    while (!stop) {
        if (waitpid(-1, NULL, WNOHANG) > 0) {
            stolen++;
        }
    }
    return NULL;
}

/* Starts processes that exit with their number; counts those of which it knows how they ended. */
static int ours(rollcore *rc, int *wrong) {
    char params[160];
    int known = 0, seen = 0;
    for (int i = 0; i < CHILDREN; i++) {
        snprintf(params, sizeof params,
                 "{\"id\":\"p%d\",\"command\":[\"/bin/sh\",\"-c\",\"exit %d\"],\"restart\":{\"maxRestarts\":0}}", i, i + 1);
        done(rc, "process.define", params);
        snprintf(params, sizeof params, "{\"id\":\"p%d\"}", i);
        done(rc, "process.start", params);
    }
    double until = now_ms() + 30000;
    while (seen < CHILDREN && now_ms() < until) {
        rollcore_event *event;
        if (rollcore_next_event(rc, 100, &event, NULL) != ROLLCORE_OK) {
            continue;
        }
        if (strcmp(rollcore_event_type(event), "process.exit") == 0) {
            const char *json = rollcore_event_json(event);
            const char *id = strstr(json, "\"id\":\"p");
            CHECK(id != NULL);
            seen++;
            if (strstr(json, "\"known\":true")) {
                known++;
                *wrong += number_in(json, "code") != strtol(id + 7, NULL, 10) + 1;
            }
        }
        rollcore_event_free(event);
    }
    CHECK(seen == CHILDREN);
    return known;
}

/* Linux 6.15 and later remembers how a process ended that somebody else has reaped. */
static int keeps_exits(void) {
    struct utsname system;
    int major = 0, minor = 0;
    CHECK(uname(&system) == 0 && sscanf(system.release, "%d.%d", &major, &minor) == 2);
    return major > 6 || (major == 6 && minor >= 15);
}

static void reaps_everything(void) {
    rollcore *rc = open_with(NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, thief, NULL);
    int wrong = 0, known = ours(rc, &wrong);
    stop = 1;
    pthread_join(thread, NULL);
    printf("%d exits, %d stolen, %d known, %d wrong\n", CHILDREN, stolen, known, wrong);
    CHECK(wrong == 0 && (known == CHILDREN || !keeps_exits()));
    rollcore_free(rc);
}

static void ignores_sigchld(void) {
    signal(SIGCHLD, SIG_IGN);
    rollcore *rc = open_with(NULL);
    int wrong = 0, known = ours(rc, &wrong);
    struct sigaction after;
    CHECK(sigaction(SIGCHLD, NULL, &after) == 0 && after.sa_handler == SIG_IGN);
    printf("%d exits with SIGCHLD ignored, %d known, %d wrong\n", CHILDREN, known, wrong);
    CHECK(wrong == 0 && (known == CHILDREN || !keeps_exits()));
    rollcore_free(rc);
}

/* Children of the host are the host's: every status is right, and none is missing. */
static void has_its_own(void) {
    pid_t own[CHILDREN];
    rollcore *rc = open_with(NULL);
    for (int i = 0; i < CHILDREN; i++) {
        own[i] = fork();
        CHECK(own[i] >= 0);
        if (own[i] == 0) {
            _exit(i + 1);
        }
    }
    int wrong = 0, known = ours(rc, &wrong);
    CHECK(known == CHILDREN && wrong == 0);
    for (int i = 0; i < CHILDREN; i++) {
        int status = 0;
        CHECK(waitpid(own[i], &status, 0) == own[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == i + 1);
    }
    /* Nothing of ours is left for the host to reap. */
    rollcore_free(rc);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    printf("%d own and %d others: every status is right\n", CHILDREN, CHILDREN);
}

static void on_signal(int signo) {
    (void)signo;
}

/* What the host does with signals is not seen by processes, and what the library does not by the host. */
static void masks_and_dispositions(void) {
    sigset_t all, before, after;
    sigfillset(&all);
    sigdelset(&all, SIGALRM);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, on_signal);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rollcore *rc = open_with(NULL);
    done(rc, "process.define",
         "{\"id\":\"a\",\"command\":[\"/bin/sh\",\"-c\",\"grep Sig /proc/self/status; ls /proc/self/fd; exec sleep 60\"]}");
    done(rc, "process.start", "{\"id\":\"a\"}");
    char *seen = NULL;
    double until = now_ms() + 10000;
    do {
        rollcore_string_free(seen);
        EXPECT(ROLLCORE_OK, rollcore_snapshot(rc, "{\"what\":\"processes\"}", &seen, &error));
    } while (strstr(seen, "\"line\":\"3\"") == NULL && now_ms() < until);
    CHECK(strstr(seen, "SigBlk:\\t0000000000000000") && strstr(seen, "SigIgn:\\t0000000000000000"));
    CHECK(strstr(seen, "\"line\":\"2\"") && !strstr(seen, "\"line\":\"4\""));
    rollcore_string_free(seen);
    /* It dies of SIGTERM although the host ignores that. */
    double began = now_ms();
    done(rc, "process.stop", "{\"id\":\"a\"}");
    CHECK(now_ms() - began < 5000);
    rollcore_free(rc);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signo = 1; signo < 32; signo++) {
        if (signo == SIGKILL || signo == SIGSTOP) {
            continue;
        }
        CHECK(sigismember(&after, signo) == sigismember(&all, signo));
    }
    struct sigaction now;
    CHECK(sigaction(SIGTERM, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == on_signal);
    CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGCHLD, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
    puts("masks and dispositions are as they were");
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    if (strcmp(argv[1], "thief") == 0) {
        reaps_everything();
    } else if (strcmp(argv[1], "ignored") == 0) {
        ignores_sigchld();
    } else if (strcmp(argv[1], "own") == 0) {
        has_its_own();
    } else {
        masks_and_dispositions();
    }
    puts("ok");
    return 0;
}
