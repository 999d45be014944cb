/* A deploy tool: deploys what it is told on stdin, "id path" in each line; "status" gives the status, the end shuts down. */
#include "host.h"

static void say(char *json) {
    puts(json);
    rollcore_string_free(json);
}

static void deploy(rollcore *rc, const char *id, const char *path) {
    char params[4096];
    int length = snprintf(params, sizeof params, "{\"releaseId\":\"%s\",\"releasePath\":\"%s\"}", id, path);
    CHECK(length > 0 && (size_t)length < sizeof params);
    say(finish(rc, begin(rc, "engine.deploy", params)));
}

static void status(rollcore *rc) {
    char *json = NULL;
    EXPECT(ROLLCORE_OK, rollcore_snapshot(rc, "{\"what\":\"status\"}", &json, &error));
    say(json);
}

int main(int argc, char **argv) {
    char line[4096], id[64], path[3072];
    CHECK(argc == 2);
    setvbuf(stdout, NULL, _IOLBF, 0);
    rollcore *rc = open_with(NULL);
    say(finish(rc, begin(rc, "engine.open", argv[1])));
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "status\n") == 0) {
            status(rc);
        } else {
            CHECK(sscanf(line, "%63s %3071s", id, path) == 2);
            deploy(rc, id, path);
        }
        drain(rc);
    }
    done(rc, "engine.shutdown", "{}");
    rollcore_free(rc);
    puts("ok");
    return 0;
}
