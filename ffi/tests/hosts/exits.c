/* A host that leaves without a word, while everything runs. */
#include "host.h"

int main(int argc, char **argv) {
    rollcore *rc = open_with("{\"log\":\"debug\"}");
    done(rc, "proxy.open", "{\"id\":\"p\",\"port\":0}");
    done(rc, "process.define", "{\"id\":\"a\",\"command\":\"exec sleep 1\"}");
    rollcore_op op = begin(rc, "process.start", "{\"id\":\"a\"}");
    if (argc > 1 && strcmp(argv[1], "later") == 0) {
        rollcore_string_free(finish(rc, op));
    }
    return 0;
}
