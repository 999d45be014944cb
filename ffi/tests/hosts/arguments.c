/* Everything that a host can give that makes no sense, to every function. */
#include "host.h"

static const char *BAD_UTF8 = "\xff\xfe{}";

static void nobody(void *user_data) {
    (void)user_data;
}

/* Each function with a handle that is none, and each pointer that it takes NULL or bad. */
static void with_handle(rollcore *rc, rollcore_status wanted) {
    rollcore_op op = 0;
    rollcore_event *event = NULL;
    char *out = NULL;
    EXPECT(wanted, rollcore_submit(rc, "engine.status", NULL, 0, &op, &error));
    EXPECT(wanted, rollcore_shutdown(rc, NULL, 0, &op, &error));
    EXPECT(wanted, rollcore_snapshot(rc, "{\"what\":\"leases\"}", &out, &error));
    EXPECT(wanted, rollcore_next_event(rc, 0, &event, &error));
    EXPECT(wanted, rollcore_next_event(rc, 10, &event, &error));
    EXPECT(wanted, rollcore_wait(rc, 1, 0, &out, &error));
    EXPECT(wanted, rollcore_cancel(rc, 1));
    EXPECT(wanted, rollcore_subscribe(rc, NULL, &error));
    EXPECT(wanted, rollcore_set_wakeup(rc, nobody, NULL));
    EXPECT(wanted, rollcore_set_wakeup(rc, NULL, NULL));
    CHECK(rollcore_event_fd(rc) == -1);
    CHECK(rollcore_dup_wake_fd(rc) == -1);
    CHECK(op == 0 && event == NULL && out == NULL);
    rollcore_interrupt(rc);
    rollcore_free(rc);
}

static void with_event(const rollcore_event *event) {
    CHECK(rollcore_event_type(event) == NULL);
    CHECK(rollcore_event_json(event) == NULL);
    CHECK(rollcore_event_op(event) == 0);
    CHECK(rollcore_event_tag(event) == 0);
    CHECK(rollcore_event_status(event) == ROLLCORE_E_ARGUMENT);
}

static void refused(rollcore *rc, const char *method, const char *params, const char *word) {
    rollcore_op op = 0;
    char *why = NULL;
    rollcore_status status = rollcore_submit(rc, method, params, 0, &op, &why);
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"code\":\"%s\"", word);
    if (status >= 0 || op != 0 || why == NULL || strstr(why, quoted) == NULL) {
        fprintf(stderr, "%s %.80s: %d %.200s\n", method, params ? params : "NULL", status, why ? why : "NULL");
        exit(1);
    }
    rollcore_string_free(why);
    /* Nobody has to take the error. */
    CHECK(rollcore_submit(rc, method, params, 0, NULL, NULL) == status);
}

/* A text of 10 MB: `before`, so many x, `after`. */
static char *huge(const char *before, const char *after) {
    size_t filling = 10 * 1000 * 1000, length = strlen(before);
    char *text = malloc(length + filling + strlen(after) + 1);
    CHECK(text != NULL);
    memcpy(text, before, length);
    memset(text + length, 'x', filling);
    memcpy(text + length + filling, after, strlen(after) + 1);
    return text;
}

int main(void) {
    CHECK(rollcore_abi_version() == ROLLCORE_ABI_VERSION);
    CHECK(strchr(rollcore_version(), '.') != NULL);
    CHECK(strcmp(rollcore_status_name(ROLLCORE_E_CONFIG), "E_CONFIG") == 0);
    CHECK(strcmp(rollcore_status_name(12345), "UNKNOWN") == 0);

    /* Nothing, numbers, a freed handle, an event. */
    int on_the_stack = 0;
    with_handle(NULL, ROLLCORE_E_ARGUMENT);
    with_handle((rollcore *)(uintptr_t)1, ROLLCORE_E_ARGUMENT);
    with_handle((rollcore *)(uintptr_t)UINTPTR_MAX, ROLLCORE_E_ARGUMENT);
    with_handle((rollcore *)(void *)&on_the_stack, ROLLCORE_E_ARGUMENT);
    with_handle((rollcore *)(uintptr_t)((1u << 4) + 1), ROLLCORE_E_ARGUMENT);
    with_event(NULL);
    with_event((const rollcore_event *)(const void *)&on_the_stack);
    rollcore_event_free(NULL);
    rollcore_event_free((rollcore_event *)(void *)&on_the_stack);
    rollcore_string_free(NULL);

    rollcore *rc = NULL;
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_new("{}", NULL, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_new(BAD_UTF8, &rc, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_new("{", &rc, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_new("[]", &rc, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_new("{\"colour\":1}", &rc, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_new("{\"workerThreads\":0}", &rc, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_new("{\"log\":\"loud\"}", &rc, &error));
    CHECK(rc == NULL);
    CHECK(rollcore_new("{", &rc, NULL) == ROLLCORE_E_ARGUMENT);

    rc = open_with(NULL);
    /* A handle is no event, and an event is no handle. */
    with_event((const rollcore_event *)(const void *)rc);
    rollcore_op op = begin(rc, "process.status", "");
    rollcore_event *event = NULL;
    EXPECT(ROLLCORE_OK, rollcore_next_event(rc, 30000, &event, &error));
    CHECK(rollcore_event_op(event) == op);
    with_handle((rollcore *)(void *)event, ROLLCORE_E_ARGUMENT);
    rollcore_event_free(event);
    rollcore_event_free(event);
    with_event(event);

    /* Where something is to be written. */
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_next_event(rc, 0, NULL, &error));
    EXPECT(ROLLCORE_OK, rollcore_submit(rc, "process.status", NULL, 0, NULL, NULL));
    EXPECT(ROLLCORE_OK, rollcore_snapshot(rc, "{\"what\":\"leases\"}", NULL, NULL));
    EXPECT(ROLLCORE_OK, rollcore_schema(NULL, NULL, NULL));
    EXPECT(ROLLCORE_OK, rollcore_wait(rc, begin(rc, "process.status", NULL), 30000, NULL, NULL));
    drain(rc);

    /* Texts. */
    refused(rc, NULL, NULL, "invalid_argument");
    refused(rc, BAD_UTF8, NULL, "invalid_argument");
    refused(rc, "engine.open", BAD_UTF8, "invalid_argument");
    refused(rc, "", NULL, "unknown_method");
    refused(rc, "engine.opem", "{}", "unknown_method");
    refused(rc, "engine.open", "{", "invalid_json");
    refused(rc, "engine.open", "nonsense", "invalid_json");
    refused(rc, "engine.open", "[]", "invalid_params");
    refused(rc, "engine.open", "7", "invalid_params");
    refused(rc, "engine.open", "{\"config\":{},\"colour\":1}", "invalid_params");
    refused(rc, "engine.open", "{\"config\":{}}", "config_invalid");
    refused(rc, "engine.deploy", "{\"releaseId\":\"a;b\",\"releasePath\":\"/\"}", "unsafe_name");
    refused(rc, "process.define", "{\"id\":\"a\",\"command\":\"true\",\"colour\":1}", "config_invalid");
    refused(rc, "process.define", "{\"id\":\"a\",\"command\":\"true\",\"port\":1}", "invalid_params");
    refused(rc, "proxy.switch", "{\"id\":\"a\",\"targets\":[{}]}", "invalid_params");
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_subscribe(rc, BAD_UTF8, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_subscribe(rc, "{\"types\":7}", &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_snapshot(rc, "{\"what\":\"weather\"}", NULL, &error));
    EXPECT(ROLLCORE_E_STATE, rollcore_snapshot(rc, NULL, NULL, &error));
    EXPECT(ROLLCORE_E_NOT_FOUND, rollcore_wait(rc, 99999, 0, NULL, &error));
    EXPECT(ROLLCORE_E_NOT_FOUND, rollcore_wait(rc, 0, 0, NULL, &error));
    EXPECT(ROLLCORE_E_NOT_FOUND, rollcore_cancel(rc, 99999));
    EXPECT(ROLLCORE_E_NOT_FOUND, rollcore_schema("weather", NULL, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_schema(BAD_UTF8, NULL, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_validate(NULL, "{}", &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_validate("weather", "{}", &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_validate("options", BAD_UTF8, &error));
    EXPECT(ROLLCORE_E_CONFIG, rollcore_validate("config", "{}", &error));
    EXPECT(ROLLCORE_OK, rollcore_validate("options", NULL, &error));

    /* 10 MB of everything. */
    char *plain = huge("", "");
    char *object = huge("{\"id\":\"", "\"}");
    char *unknown = huge("{\"", "\":1}");
    char *command = huge("{\"id\":\"a\",\"command\":\"true ", "\"}");
    refused(rc, plain, "{}", "unknown_method");
    refused(rc, "engine.open", plain, "invalid_json");
    refused(rc, "process.start", object, "invalid_params");
    refused(rc, "process.start", unknown, "invalid_params");
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_new(plain, &rc, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_subscribe(rc, plain, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_snapshot(rc, plain, NULL, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_shutdown(rc, plain, 0, NULL, &error));
    EXPECT(ROLLCORE_E_NOT_FOUND, rollcore_schema(plain, NULL, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_validate("options", plain, &error));
    EXPECT(ROLLCORE_E_ARGUMENT, rollcore_validate(plain, "{}", &error));
    /* This one makes sense; only nothing can run a line of this length. */
    done(rc, "process.define", command);
    op = begin(rc, "process.start", "{\"id\":\"a\"}");
    /* valgrind plays a vfork as a fork, in which nobody hears why there is no program. */
    EXPECT(getenv("UNDER_VALGRIND") ? ROLLCORE_OK : ROLLCORE_E_FAILED, rollcore_wait(rc, op, 30000, NULL, &error));
    free(plain), free(object), free(unknown), free(command);

    /* A panic inside is an error, and everything goes on. */
    EXPECT(ROLLCORE_E_PANIC, rollcore_submit(rc, "rollcore_panic", "{\"where\":\"call\"}", 0, NULL, &error));
    op = begin(rc, "rollcore_panic", "{\"where\":\"task\"}");
    EXPECT(ROLLCORE_E_PANIC, rollcore_wait(rc, op, 30000, NULL, &error));
    done(rc, "process.status", NULL);

    rollcore_free(rc);
    with_handle(rc, ROLLCORE_E_ARGUMENT);
    puts("ok");
    return 0;
}
