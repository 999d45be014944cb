/*
 * rollcore: zero-downtime rollouts, in your own process.
 *
 * Make a handle, submit methods by name with JSON, take events out of its queue. rollcore_schema(NULL, ...) names the
 * methods and the events, rollcore_schema("engine.deploy", ...) says what a method takes.
 *
 * Strings. All of them end with NUL and are UTF-8. What you give is copied before the call returns. const char * results are
 * borrowed; char * results are yours, and are freed with rollcore_string_free() alone.
 *
 * Ownership. rollcore_new -> rollcore_free, rollcore_next_event -> rollcore_event_free, every char ** ->
 * rollcore_string_free, rollcore_dup_wake_fd -> close. Results are written only with ROLLCORE_OK; `error` only with a
 * status below 0. Each may be NULL if you do not want it. A handle or an event that was freed is an error, not a crash.
 *
 * Errors. {"code":"health_check_failed","message":"...","detail":{}}: the code never changes, the message is for people. What
 * is wrong with a submission is said at once, and no event follows. After ROLLCORE_OK exactly one event "op.done" follows,
 * also after a cancellation, a shutdown or a panic. Fields of parameters that nobody knows are errors; fields and types of
 * events that you do not know are to be ignored.
 *
 * Queue. Bounded for what nobody asked for: the oldest is dropped, and one event queue.lagged {"dropped":n} says how many.
 * op.done and process.exit are never dropped (of 65536 exits that nobody has read the oldest is). Several threads may take
 * events; each goes to one of them. rollcore_wait() takes the completion of its operation and leaves all others.
 *
 * Descriptors. rollcore_event_fd() is readable while the queue is not empty; so is each pipe of rollcore_dup_wake_fd(), which
 * may also be read. All descriptors are closed on exec.
 *
 * Threads. Every function may be called on any thread, at the same time. Those that wait return ROLLCORE_E_DEADLOCK inside of
 * the wake-up function. The library's threads are named rollcore-..., block all signals but SIGSEGV, SIGBUS, SIGFPE and
 * SIGILL, and run no code of yours but that function. Nothing is kept per thread: an error may be read on another one.
 *
 * Signals. No handler is installed and no disposition changed: not of SIGCHLD, not of SIGPIPE. Processes are not waited for
 * with wait(-1), and start with an empty mask, default dispositions, a session of their own and descriptors 0 to 2 only. If you
 * reap them, or ignore SIGCHLD, their exit is still known on Linux 6.15 and later; before, it says "known":false. Waits end
 * with ROLLCORE_INTERRUPTED when a handler of yours has run on their thread.
 *
 * fork. The child has no handle: every call gives ROLLCORE_E_FORKED, rollcore_free() does nothing, and a new handle works. So
 * make the handle after daemon(3). Programs that you exec are not affected.
 *
 * exit. Nothing is run at exit. Leaving without rollcore_free() is safe, and leaves the processes running.
 *
 * dlclose does nothing: the library stays loaded.
 *
 * Several handles in one process are fine.
 *
 * Log. An event of the type "log", if the options ask for it. Nothing is ever printed.
 *
 * Versions. Functions are only added; ROLLCORE_ABI_VERSION changes with anything else, and so does the soname
 * (librollcore.so.0.N before 1.0).
 */

#ifndef ROLLCORE_H
#define ROLLCORE_H

/* Made by cbindgen from ffi/src; see ffi/tests/header.rs. Do not edit. */

#include <stdint.h>

#ifndef ROLLCORE_API
#define ROLLCORE_API
#endif

// The version of the C interface. It changes when something that was there is changed or removed; compare it with
// rollcore_abi_version() before any other call.
#define ROLLCORE_ABI_VERSION 1

// It was done.
#define ROLLCORE_OK 0

// Nothing happened in the time that was given. No failure.
#define ROLLCORE_TIMEOUT 1

// A signal came, or somebody called rollcore_interrupt. No failure.
#define ROLLCORE_INTERRUPTED 2

// There is nothing more to come. No failure.
#define ROLLCORE_CLOSED 3

// NULL, no UTF-8, bad JSON, an unknown method or field, a handle that is none or was freed.
#define ROLLCORE_E_ARGUMENT -1

// A config is wrong; the detail of the error lists everything that is.
#define ROLLCORE_E_CONFIG -2

// There is no such operation, process, lease, proxy or release.
#define ROLLCORE_E_NOT_FOUND -3

// Not now: no engine is open, or one is already; another operation is under way.
#define ROLLCORE_E_STATE -4

// The system refused: an address in use, no descriptors left.
#define ROLLCORE_E_IO -5

// This process is a fork of the one that made the handle.
#define ROLLCORE_E_FORKED -6

// It would wait for itself: a call that waits, inside of the wake-up function.
#define ROLLCORE_E_DEADLOCK -7

// This build, or the simulator, cannot do it.
#define ROLLCORE_E_UNSUPPORTED -8

// Somebody cancelled the operation.
#define ROLLCORE_E_CANCELLED -9

// It was tried and failed: a deploy was undone, a health check ran out of time.
#define ROLLCORE_E_FAILED -10

// A mistake of ours: something panicked. The handle can be used and freed.
#define ROLLCORE_E_PANIC -99

// A handle: an engine, and each hand alone, with threads of its own.
typedef struct rollcore rollcore;

// One event that was taken out of the queue.
typedef struct rollcore_event rollcore_event;

// The number of an operation: never 0, never used again in the same handle.
typedef uint64_t rollcore_op;

// How a call went: ROLLCORE_OK, another number of 0 or more for what is no failure, or a negative one.
//
// It is an int32_t and no enum, so that a number that an older header does not know is still a number.
typedef int32_t rollcore_status;

// A hint that the queue is no longer empty. Called on a thread of the library with all signals blocked, never by two
// threads at once. It must not wait for anything, least of all here.
typedef void (*rollcore_wakeup_fn)(void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Its type: "op.done", "process.exit", "log", ... NULL for what is no event. Valid until the event is freed.
ROLLCORE_API
const char *rollcore_event_type(const rollcore_event *event);

// The operation that is over, of an "op.done"; 0 of any other event.
ROLLCORE_API
rollcore_op rollcore_event_op(const rollcore_event *event);

// The tag that the operation was submitted with, of an "op.done"; 0 of any other event.
ROLLCORE_API
uint64_t rollcore_event_tag(const rollcore_event *event);

// How the operation went, of an "op.done"; ROLLCORE_OK of any other event. ROLLCORE_E_ARGUMENT for what is no event.
ROLLCORE_API
rollcore_status rollcore_event_status(const rollcore_event *event);

// All of it, as a JSON object. NULL for what is no event. Valid until the event is freed.
ROLLCORE_API
const char *rollcore_event_json(const rollcore_event *event);

// Frees an event. NULL, and one that was freed already, are ignored.
ROLLCORE_API
void rollcore_event_free(rollcore_event *event);

// Makes a handle. `options_json` may be NULL:
// {"workerThreads":1,"queue":4096,"log":"off","graceMs":10000,"simulate":{"seed":1}}.
// Takes a few milliseconds. *out is yours: end it with rollcore_free().
ROLLCORE_API
rollcore_status rollcore_new(const char *options_json,
                             rollcore **out,
                             char **error);

// Begins `method` with `params_json` (NULL: none) and writes the number of the operation to *op, if it is not NULL.
// After ROLLCORE_OK exactly one event "op.done" with this number and `tag` follows; it may be in the queue before this
// returns. After anything else no event follows. Operations are begun in the order in which they are submitted.
// rollcore_schema(NULL, ...) names the methods.
ROLLCORE_API
rollcore_status rollcore_submit(rollcore *rc,
                                const char *method,
                                const char *params_json,
                                uint64_t tag,
                                rollcore_op *op,
                                char **error);

// Begins to end everything in the handle: the engine, the processes, the proxies, the leases. `options_json` may be NULL:
// {"drain":true} gives requests and tunnels time first. For hosts that must not wait in rollcore_free(). The handle is to
// be freed all the same.
ROLLCORE_API
rollcore_status rollcore_shutdown(rollcore *rc,
                                  const char *options_json,
                                  uint64_t tag,
                                  rollcore_op *op,
                                  char **error);

// How something is, from memory; never waits. `selector_json` may be NULL: {"what":"status"} is the engine, then there are
// "processes", "proxies" and "leases". *json_out is yours: free it with rollcore_string_free().
ROLLCORE_API
rollcore_status rollcore_snapshot(const rollcore *rc,
                                  const char *selector_json,
                                  char **json_out,
                                  char **error);

// Ends every wait of this handle that is under way with ROLLCORE_INTERRUPTED, or the next one when there is none.
// Async-signal-safe, so a signal handler may call it. A handle that is none is ignored.
ROLLCORE_API
void rollcore_interrupt(rollcore *rc);

// Ends a handle and everything in it, within graceMs of its options; processes that are left then are killed. Waits that
// are under way in other threads end with ROLLCORE_CLOSED. NULL, a handle that was freed, and one of the parent of a fork
// are ignored. Inside of the wake-up function it does nothing.
ROLLCORE_API
void rollcore_free(rollcore *rc);

// The version of the C interface that this library speaks: ROLLCORE_ABI_VERSION of its header.
ROLLCORE_API
uint32_t rollcore_abi_version(void);

// The version of the library, such as "0.1.0". Static; never free it.
ROLLCORE_API
const char *rollcore_version(void);

// The name of a status without ROLLCORE_, such as "E_CONFIG"; "UNKNOWN" for a number that is none. Static; never free it.
ROLLCORE_API
const char *rollcore_status_name(rollcore_status status);

// The JSON Schema of what `name` takes: a method of rollcore_submit(), or "options", "subscribe" or "snapshot".
// NULL gives all names: {"methods":[...],"events":[...]}.
// *json_out is yours: free it with rollcore_string_free().
ROLLCORE_API
rollcore_status rollcore_schema(const char *name,
                                char **json_out,
                                char **error);

// Whether `json` would be understood as what `kind` names: the parameters of a method, "options", "subscribe",
// "snapshot" or "config". Nothing is done.
ROLLCORE_API
rollcore_status rollcore_validate(const char *kind,
                                  const char *json,
                                  char **error);

// Frees a string that a function of this header has given through a char **. NULL is fine; anything else is not.
ROLLCORE_API
void rollcore_string_free(char *string);

// An eventfd that is readable while the queue is not empty. Poll it for POLLIN, never read, write or close it: it is the
// library's, and is closed by rollcore_free(). -1 for a handle that is none.
ROLLCORE_API
int rollcore_event_fd(const rollcore *rc);

// The reading end of a new pipe, for event loops that insist on reading: a byte comes when the queue is no longer empty.
// Read it or only poll it, then take events until there are none. Yours: close it. -1 for a handle that is none, and when
// there are no descriptors left or 64 were given away.
ROLLCORE_API
int rollcore_dup_wake_fd(const rollcore *rc);

// Takes the next event, or waits for one: timeout_ms at most, not at all when it is 0, for ever when it is below 0.
// ROLLCORE_OK: *out is yours, free it with rollcore_event_free(). ROLLCORE_TIMEOUT: there was none.
// ROLLCORE_INTERRUPTED: a signal handler ran on this thread, or somebody called rollcore_interrupt().
// ROLLCORE_CLOSED: the handle is being freed and there is nothing more to come.
ROLLCORE_API
rollcore_status rollcore_next_event(rollcore *rc,
                                    int32_t timeout_ms,
                                    rollcore_event **out,
                                    char **error);

// Waits for the end of one operation, takes its completion out of the queue and leaves everything else there. Times as in
// rollcore_next_event(). ROLLCORE_OK: *result_json, if not NULL, gets its result, which is yours. When the operation
// failed, its status is returned and *error gets its error; the same when the wait itself fails:
// ROLLCORE_E_NOT_FOUND with the code "unknown_operation" means that somebody has taken the completion already.
ROLLCORE_API
rollcore_status rollcore_wait(rollcore *rc,
                              rollcore_op op,
                              int32_t timeout_ms,
                              char **result_json,
                              char **error);

// Asks for the end of an operation. Its completion still comes: with ROLLCORE_E_CANCELLED, unless it was faster. What has
// been begun and cannot be left half done (a deploy, a stop) goes on without anybody who waits for it.
ROLLCORE_API
rollcore_status rollcore_cancel(rollcore *rc,
                                rollcore_op op);

// Which events that nobody asked for are put into the queue from now on: {"types":["process.*","rollout.*","log"]}. NULL,
// as at the beginning: all of them.
ROLLCORE_API
rollcore_status rollcore_subscribe(rollcore *rc,
                                   const char *filter_json,
                                   char **error);

// From now on `fn` is called with `user_data` whenever the queue is no longer empty; NULL: nobody is. When this returns,
// the function before does not run and never runs again. For C alone: most other languages must not be called on a thread
// that they do not know.
ROLLCORE_API
rollcore_status rollcore_set_wakeup(rollcore *rc,
                                    rollcore_wakeup_fn fn,
                                    void *user_data);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ROLLCORE_H */
