/* SPDX-License-Identifier: Apache-2.0 */

/* Trying one's own advertised addresses. */

#include "advertise_int.h"

#include "weir/base/limits.h"
#include "weir/base/memory.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK_MS_MAX 4000

/* ---- Resolving, with an end ---- */

/* A request for getaddrinfo_a, which may outlive its asker: a resolver that is stuck cannot be
 * interrupted, and its thread writes here when it wakes up. */
struct lookup {
    struct gaicb request;
    struct addrinfo hints;
    char host[256];
    char port[8];
};

static enum weir_status wait_lookup(struct weir_env *env, struct lookup *lookup,
                                    int64_t deadline_ms)
{
    const struct gaicb *requests[] = {&lookup->request};
    while (gai_error(&lookup->request) == EAI_INPROGRESS) {
        int64_t left_ms = deadline_ms - weir_env_monotonic_ms(env);
        if (left_ms <= 0)
            return WEIR_TIMED_OUT;
        struct timespec timeout = {.tv_sec = (time_t)(left_ms / 1000),
                                   .tv_nsec = (long)(left_ms % 1000) * 1000000};
        (void)gai_suspend(requests, 1, &timeout); /* whatever woke it, the loop looks again */
    }
    return gai_error(&lookup->request) == 0 ? WEIR_OK : WEIR_NOT_FOUND;
}

/* On OK the caller frees *out with freeaddrinfo. */
static enum weir_status resolve(struct weir_env *env, const char *host, uint16_t port,
                                int64_t deadline_ms, struct addrinfo **out,
                                struct weir_detail *detail)
{
    /* An address needs no resolver, and no thread of its own. */
    char service[8];
    struct addrinfo numeric = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    if (getaddrinfo(host, service, &numeric, out) == 0)
        return WEIR_OK;
    struct lookup *lookup = weir_calloc(1, sizeof(*lookup));
    if (lookup == NULL)
        return WEIR_NO_MEMORY;
    (void)snprintf(lookup->host, sizeof(lookup->host), "%s", host);
    (void)snprintf(lookup->port, sizeof(lookup->port), "%u", (unsigned)port);
    lookup->hints = (struct addrinfo){.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    lookup->request = (struct gaicb){
        .ar_name = lookup->host, .ar_service = lookup->port, .ar_request = &lookup->hints};
    struct gaicb *requests[] = {&lookup->request};
    struct sigevent no_event = {.sigev_notify = SIGEV_NONE};
    int error = getaddrinfo_a(GAI_NOWAIT, requests, 1, &no_event);
    enum weir_status status = error == 0 ? wait_lookup(env, lookup, deadline_ms) : WEIR_NO_MEMORY;
    bool is_ours_again = true;
    if (status == WEIR_OK) {
        *out = lookup->request.ar_result;
    } else if (status == WEIR_TIMED_OUT) {
        weir_detail_set(detail, "the name could not be resolved in time");
        int cancelled = gai_cancel(&lookup->request);
        is_ours_again = cancelled == EAI_CANCELED;
        if (cancelled == EAI_ALLDONE) {
            if (gai_error(&lookup->request) == 0)
                freeaddrinfo(lookup->request.ar_result);
            is_ours_again = true;
        }
    } else if (error == 0) {
        weir_detail_set(detail, "the name cannot be resolved: %s",
                        gai_strerror(gai_error(&lookup->request)));
    }
    if (is_ours_again)
        weir_free(lookup);
    return status;
}

/* ---- Connecting ---- */

static enum weir_status wait_connected(struct weir_env *env, int fd, int64_t deadline_ms,
                                       struct weir_detail *detail)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    for (;;) {
        int64_t left_ms = deadline_ms - weir_env_monotonic_ms(env);
        int count = poll(&ready, 1, left_ms > 0 ? (int)left_ms : 0);
        if (count > 0)
            break;
        if (count == 0 || errno != EINTR) {
            weir_detail_set(detail, "no answer");
            return WEIR_TIMED_OUT;
        }
    }
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error == 0)
        return WEIR_OK;
    return weir_detail_errno(detail, error, "cannot connect");
}

static enum weir_status connect_to(struct weir_env *env, const struct addrinfo *address,
                                   int64_t deadline_ms, struct weir_detail *detail)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return weir_detail_errno(detail, errno, "cannot connect");
    enum weir_status status = WEIR_OK;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        if (errno == EINPROGRESS)
            status = wait_connected(env, fd, deadline_ms, detail);
        else
            status = weir_detail_errno(detail, errno, "cannot connect");
    }
    close(fd);
    return status;
}

enum weir_status weir_advertise_try(struct weir_env *env, const char *host, uint16_t port,
                                    int64_t deadline_ms, struct weir_detail *detail)
{
    struct addrinfo *addresses = NULL;
    enum weir_status status = resolve(env, host, port, deadline_ms, &addresses, detail);
    if (status != WEIR_OK)
        return status;
    status = WEIR_NOT_FOUND;
    for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next) {
        status = connect_to(env, at, deadline_ms, detail);
        if (status == WEIR_OK)
            break;
    }
    freeaddrinfo(addresses);
    return status;
}

/* ---- The task ---- */

struct target {
    char name[64]; /* cut when longer: it is for the log */
    char host[256];
    uint16_t port;
};

struct advertise_task {
    struct weir_task task;
    struct weir_env *env;
    const struct weir_log *log;
    size_t count;
    struct target targets[];
};

static void run_check(struct weir_task *task)
{
    struct advertise_task *check = WEIR_CONTAINER_OF(task, struct advertise_task, task);
    int64_t deadline_ms = weir_env_monotonic_ms(check->env) + CHECK_MS_MAX;
    for (size_t i = 0; i < check->count && weir_env_monotonic_ms(check->env) < deadline_ms; i++) {
        const struct target *target = &check->targets[i];
        struct weir_detail detail = {{0}};
        if (weir_advertise_try(check->env, target->host, target->port, deadline_ms, &detail) ==
            WEIR_OK)
            continue;
        WEIR_LOG_WARN(
            check->log, "advertised_listener_unreachable", WEIR_STR("listener", target->name),
            WEIR_STR("host", target->host), WEIR_I64("port", target->port),
            WEIR_STR("why", detail.text),
            WEIR_STR("consequence",
                     "clients are told this address and cannot use the broker unless they can "
                     "reach it; correct advertised.listeners or leave it out"));
    }
    weir_free(check);
}

enum weir_status weir_advertise_check(struct weir_task_pool *pool, struct weir_env *env,
                                      const struct weir_log *log,
                                      const struct weir_config_advertised *items, size_t count)
{
    if (count == 0)
        return WEIR_OK;
    size_t bytes;
    if (!weir_mul_size(count, sizeof(struct target), &bytes) ||
        !weir_add_size(bytes, sizeof(struct advertise_task), &bytes))
        return WEIR_NO_MEMORY;
    struct advertise_task *check = weir_calloc(1, bytes);
    if (check == NULL)
        return WEIR_NO_MEMORY;
    check->task.run = run_check;
    check->env = env;
    check->log = log;
    for (size_t i = 0; i < count; i++) {
        if (items[i].port == 0 || items[i].host == NULL)
            continue;
        struct target *target = &check->targets[check->count++];
        (void)snprintf(target->name, sizeof(target->name), "%s", items[i].name);
        (void)snprintf(target->host, sizeof(target->host), "%s", items[i].host);
        target->port = items[i].port;
    }
    weir_task_pool_submit(pool, &check->task);
    return WEIR_OK;
}
