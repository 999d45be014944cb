//! How to deploy from inside of a C program, and of every program that can load a C library.
//!
//! # Install
//!
//! `ffi/install.sh --prefix=/usr/local` builds `librollcore.so` and `librollcore.a` with nothing but cargo and a C compiler, and
//! installs them with `rollcore.h`, a pkg-config file and a CMake package. `DESTDIR` is heeded, for whoever makes packages; with
//! cargo-c, `cargo cinstall -p rollcore-ffi --release` does the same. Then
//!
//! ```text
//! cc deploy.c $(pkg-config --cflags --libs rollcore)                    shared
//! cc deploy.c $(pkg-config --cflags --static --libs rollcore)           with -l:librollcore.a for -lrollcore: static
//! find_package(rollcore)  target_link_libraries(deploy rollcore::rollcore)   in CMake; rollcore::static is there, too
//! ```
//!
//! # Deploy
//!
//! ```c
//! #include <rollcore.h>
//! #include <stdio.h>
//!
//! int main(void) {
//!     rollcore *rc; rollcore_op op; char *error = NULL, *result = NULL;
//!     if (rollcore_new(NULL, &rc, &error)) goto failed;
//!     if (rollcore_submit(rc, "engine.open", "{\"config\": {\"application\": \"shop\", \"proxy\": {\"port\": 8182}, \"processes\": ["
//!             "{\"id\": \"web\", \"policy\": \"proxied\", \"command\": [\"./serve\"], \"port\": 0, \"health\": {\"path\": \"/ping\"}}]}}",
//!             0, NULL, &error)) goto failed;
//!     if (rollcore_submit(rc, "engine.deploy", "{\"releaseId\": \"v2\", \"releasePath\": \"/srv/shop/v2\"}", 0, &op, &error)) goto failed;
//!     if (rollcore_wait(rc, op, -1, &result, &error)) goto failed;
//!     puts(result);   /* {"activeReleaseId":"v2","previousReleaseId":null} */
//!     rollcore_string_free(result);
//!     getchar();                              /* it serves, until you call */
//!     rollcore_free(rc);
//!     return 0;
//! failed:
//!     fprintf(stderr, "%s\n", error);         /* {"code":"health_check_failed","message":"…","detail":{}} */
//!     return 1;
//! }
//! ```
//!
//! A method that nobody answers with an error has exactly one event `op.done`. `rollcore_wait` takes it; an event loop polls
//! `rollcore_event_fd` instead and takes whatever comes with `rollcore_next_event`: `examples/c/rollout.c` does that. What the
//! methods are called and take is in the library: `rollcore_schema(NULL, …)` and `rollcore_schema("engine.deploy", …)`.
//!
//! # What it costs
//!
//! `cargo test --release -p rollcore-ffi --test hosts costs -- --nocapture` prints it for your machine: the size of the
//! stripped library, how long a start takes, also beside 2 GiB of the host's memory, how long an answer takes, how many
//! events a second come through the wake pipe, and what an idle engine holds.
//!
//! # Threads
//!
//! Every function may be called on any thread. A handle has one thread that conducts (`workerThreads`), one for each worker of a
//! proxy, and those that start processes; they are named `rollcore-…` and never run code of yours, but for the function of
//! `rollcore_set_wakeup`, in which nothing may be waited for (`ROLLCORE_E_DEADLOCK`). Nothing is kept per thread.
//!
//! # Signals and children
//!
//! No handler is installed, no disposition changed, and the library's threads block signals: SIGINT runs your handler, on your
//! thread, and ends its wait with `ROLLCORE_INTERRUPTED`. A client that leaves in the middle of a response is no SIGPIPE. Reap
//! your children as you like, also with `waitpid(-1)`, and ignore SIGCHLD if you want: processes are waited for by descriptor. How
//! one ended that you have reaped is known on Linux 6.15 and later; before, its exit says `"known":false`.
//!
//! # Fork
//!
//! The child of a fork has no handle: each call gives `ROLLCORE_E_FORKED`, `rollcore_free` does nothing, and a new handle may be
//! made. `daemon(3)` is a fork, too: make the handle afterwards. Programs that are exec'd inherit no descriptor.
//!
//! # The end
//!
//! `rollcore_free` stops everything within `graceMs`, and kills what is left then. A program that exits without it leaves its
//! processes running; `keepState` of `engine.open` finds them with the next start. `dlclose` does nothing.
