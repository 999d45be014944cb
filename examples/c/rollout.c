/*
 * The story of ../README.md, in this process: ./rollout, or ./rollout --simulate.
 *
 * One poll loop: an event loop of yours adds rollcore_event_fd() to what it polls, and takes events while it is readable.
 */
#include <rollcore.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A list of texts, as a line of the story has it. */
typedef struct {
    char text[1024];
} list;

/* What the story tells of one operation. */
typedef struct {
    rollcore_op op;
    list steps, undone;
    char drained[64]; /* the release that has answered its last request */
    char *answer;     /* the op.done, once it is there */
    rollcore_status status;
} watched;

static volatile sig_atomic_t stopped;

static void stop(int signo) {
    (void)signo;
    stopped = 1;
}

static void die(const char *doing, char *error) {
    fprintf(stderr, "%s: %s\n", doing, error ? error : "no reason is known");
    rollcore_string_free(error);
    exit(1);
}

static void say(const char *verb, const char *text) {
    printf("%-10s %s\n", verb, text);
    fflush(stdout);
}

static void add(list *to, const char *text) {
    size_t length = strlen(to->text);
    snprintf(to->text + length, sizeof to->text - length, "%s%s", length ? ", " : "", text);
}

/*
 * The text behind "key": in JSON that has it; no names or steps of this story hold anything that JSON escapes. A host that does
 * more takes a JSON library.
 */
static const char *text_in(const char *json, const char *key, char *out, size_t size) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    const char *from = strstr(json, quoted);
    size_t length = 0;
    if (from) {
        from += strlen(quoted);
        length = strcspn(from, "\"");
        length = length < size ? length : size - 1;
        memcpy(out, from, length);
    }
    out[length] = 0;
    return out;
}

static void take(const rollcore_event *event, watched *watched) {
    const char *type = rollcore_event_type(event), *json = rollcore_event_json(event);
    char text[256];
    if (strcmp(type, "rollout.step") == 0) {
        add(&watched->steps, text_in(json, "step", text, sizeof text));
    } else if (strcmp(type, "rollout.step_undone") == 0) {
        add(&watched->undone, text_in(json, "undo", text, sizeof text));
    } else if (strcmp(type, "release.drained") == 0) {
        text_in(json, "releaseId", watched->drained, sizeof watched->drained);
    } else if (strcmp(type, "op.done") == 0 && rollcore_event_op(event) == watched->op) {
        watched->status = rollcore_event_status(event);
        watched->answer = strdup(json);
    }
}

/* Polls once, and takes everything that is there. */
static void turn(rollcore *rc, watched *watched) {
    struct pollfd fds[] = {{rollcore_event_fd(rc), POLLIN, 0}};
    if (poll(fds, 1, -1) < 0 && errno != EINTR) {
        die("poll", NULL);
    }
    if (stopped) {
        rollcore_free(rc);
        exit(130);
    }
    rollcore_event *event;
    while (rollcore_next_event(rc, 0, &event, NULL) == ROLLCORE_OK) {
        take(event, watched);
        rollcore_event_free(event);
    }
}

/* Begins it, and watches until it is over. */
static void play(rollcore *rc, const char *method, const char *params, watched *watched) {
    char *error = NULL;
    memset(watched, 0, sizeof *watched);
    if (rollcore_submit(rc, method, params, 0, &watched->op, &error) != ROLLCORE_OK) {
        die(method, error);
    }
    while (!watched->answer) {
        turn(rc, watched);
    }
}

static const char *status(rollcore *rc, const char *key, char *out, size_t size) {
    char *json = NULL, *error = NULL;
    if (rollcore_snapshot(rc, "{\"what\":\"status\"}", &json, &error) != ROLLCORE_OK) {
        die("status", error);
    }
    text_in(json, key, out, size);
    rollcore_string_free(json);
    return out;
}

static void tell(rollcore *rc, const char *verb, const char *method, const char *params) {
    watched watched;
    char active[64], text[256], previous[64], line[2048];
    play(rc, method, params, &watched);
    say(verb, watched.steps.text);
    if (watched.status == ROLLCORE_OK) {
        text_in(watched.answer, "previousReleaseId", previous, sizeof previous);
        while (previous[0] && strcmp(watched.drained, previous) != 0) {
            turn(rc, &watched);
        }
        snprintf(line, sizeof line, "%s is active", status(rc, "activeReleaseId", active, sizeof active));
        if (previous[0]) {
            size_t length = strlen(line);
            snprintf(line + length, sizeof line - length, "; %s has answered its last request", previous);
        }
        say("", line);
    } else {
        text_in(watched.answer, "code", text, sizeof text);
        snprintf(line, sizeof line, "%s; undone: %s", text, watched.undone.text);
        say("", line);
        snprintf(line, sizeof line, "%s is active", status(rc, "activeReleaseId", active, sizeof active));
        say("", line);
    }
    free(watched.answer);
}

/* {"config": ...} with the file in it. */
static char *config(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) {
        die(path, NULL);
    }
    static char params[64 * 1024];
    size_t length = (size_t)snprintf(params, sizeof params, "{\"config\":");
    length += fread(params + length, 1, sizeof params - length - 2, file);
    fclose(file);
    memcpy(params + length, "}", 2);
    return params;
}

static const char *releases(void) {
    const char *folder = getenv("RELEASES");
    static char path[4096];
    return folder ? folder : realpath("../releases", path);
}

int main(int argc, char **argv) {
    int simulate = argc > 1 && strcmp(argv[1], "--simulate") == 0;
    const char *folder = releases();
    char path[4200], params[8600], verb[32], text[256], *error = NULL;
    watched watched;
    rollcore *rc;
    if (!folder) {
        die("the releases are not there: set RELEASES", NULL);
    }
    if (rollcore_abi_version() != ROLLCORE_ABI_VERSION) {
        die("this program was compiled for another version of librollcore", NULL);
    }
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    const char *options = simulate ? "{\"simulate\":{\"seed\":1,\"broken\":[\"v3\"]}}" : NULL;
    if (rollcore_new(options, &rc, &error) != ROLLCORE_OK) {
        die("rollcore_new", error);
    }
    snprintf(path, sizeof path, "%s/rollcore.json", folder);
    play(rc, "engine.open", config(path), &watched);
    if (watched.status != ROLLCORE_OK) {
        die("engine.open", watched.answer);
    }
    free(watched.answer);
    char application[64];
    snprintf(text, sizeof text, "%s runs nothing yet", status(rc, "application", application, sizeof application));
    say("start", text);

    const char *ids[] = {"v1", "v2", "v3"};
    for (int i = 0; i < 3; i++) {
        snprintf(verb, sizeof verb, "deploy %s", ids[i]);
        snprintf(params, sizeof params, "{\"releaseId\":\"%s\",\"releasePath\":\"%s/%s\"}", ids[i], folder, ids[i]);
        tell(rc, verb, "engine.deploy", params);
    }
    tell(rc, "rollback", "engine.rollback", "{}");

    play(rc, "engine.shutdown", "{}", &watched);
    say("shutdown", watched.status == ROLLCORE_OK ? "nothing is left" : "some processes are left");
    free(watched.answer);
    rollcore_free(rc);
    return 0;
}
