/* Clients that leave in the middle of a response: EPIPE is an error of a write, and no signal for the host. */
#include "host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener;

/* Answers with a megabyte, slowly. */
static void *answer(void *connection) {
    int fd = (int)(intptr_t)connection;
    char request[4096];
    static char body[64 * 1024];
    const char *head = "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n";
    if (read(fd, request, sizeof request) > 0 && send(fd, head, strlen(head), MSG_NOSIGNAL) > 0) {
        for (int i = 0; i < 16; i++) {
            if (send(fd, body, sizeof body, MSG_NOSIGNAL) < 0) {
                break;
            }
            usleep(2000);
        }
    }
    close(fd);
    return NULL;
}

static void *serve(void *unused) {
    (void)unused;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, answer, (void *)(intptr_t)fd) == 0);
        pthread_detach(thread);
    }
}

static int dial(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

int main(void) {
    /* As in a C program that does nothing about it. */
    signal(SIGPIPE, SIG_DFL);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 64) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    pthread_t server;
    CHECK(pthread_create(&server, NULL, serve, NULL) == 0);

    rollcore *rc = open_with(NULL);
    char *opened = finish(rc, begin(rc, "proxy.open", "{\"id\":\"p\",\"port\":0}"));
    int port = (int)number_in(opened, "port");
    rollcore_string_free(opened);
    char params[128];
    snprintf(params, sizeof params, "{\"id\":\"p\",\"targets\":[{\"port\":%d}]}", ntohs(address.sin_port));
    done(rc, "proxy.switch", params);

    const char *request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (int i = 0; i < 60; i++) {
        int fd = dial(port);
        CHECK(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
        char some[1024];
        CHECK(read(fd, some, sizeof some) > 0);
        if (i % 2) {
            /* A reset instead of an end. */
            struct linger now = {1, 0};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        }
        close(fd);
    }
    /* It still answers. */
    int fd = dial(port);
    CHECK(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
    char some[1024];
    ssize_t got = read(fd, some, sizeof some - 1);
    CHECK(got > 12);
    some[got] = 0;
    CHECK(strncmp(some, "HTTP/1.1 200", 12) == 0);
    close(fd);
    rollcore_free(rc);
    puts("60 clients left in the middle of a response");
    puts("ok");
    return 0;
}
