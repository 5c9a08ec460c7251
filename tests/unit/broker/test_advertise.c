/* SPDX-License-Identifier: Apache-2.0 */
#include "../../../src/broker/advertise_int.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket of 127.0.0.1 with a port of its own; it listens when asked to. */
static int open_socket(bool listens, uint16_t *out_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    cr_assert_geq(fd, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    if (listens)
        cr_assert_eq(listen(fd, 8), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

static int64_t soon(void)
{
    return weir_env_monotonic_ms(weir_env_posix()) + 5000;
}

Test(advertise, an_address_that_listens_is_reachable)
{
    uint16_t port;
    int fd = open_socket(true, &port);
    struct weir_detail detail = {{0}};
    cr_expect_eq(weir_advertise_try(weir_env_posix(), "127.0.0.1", port, soon(), &detail), WEIR_OK,
                 "%s", detail.text);
    cr_expect_eq(weir_advertise_try(weir_env_posix(), "localhost", port, soon(), &detail), WEIR_OK,
                 "%s", detail.text);
    close(fd);
}

Test(advertise, a_port_nobody_listens_on_is_not)
{
    uint16_t port;
    int fd = open_socket(false, &port);
    struct weir_detail detail = {{0}};
    cr_expect_neq(weir_advertise_try(weir_env_posix(), "127.0.0.1", port, soon(), &detail),
                  WEIR_OK);
    cr_expect_not_null(strstr(detail.text, "cannot connect"));
    close(fd);
}

Test(advertise, a_deadline_that_is_past_ends_the_try)
{
    uint16_t port;
    int fd = open_socket(true, &port);
    struct weir_detail detail = {{0}};
    enum weir_status status =
        weir_advertise_try(weir_env_posix(), "name.invalid", port, 0, &detail);
    cr_expect_neq(status, WEIR_OK);
    cr_expect_str_neq(detail.text, "");
    close(fd);
}

struct lines {
    size_t count;
    char last[2048];
};

static void keep_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    struct lines *lines = context;
    cr_expect_eq(level, WEIR_LOG_LEVEL_WARN);
    lines->count++;
    snprintf(lines->last, sizeof(lines->last), "%.*s", (int)size, line);
}

Test(advertise, only_what_cannot_be_reached_is_warned_about)
{
    uint16_t good_port, bad_port;
    int good = open_socket(true, &good_port);
    int bad = open_socket(false, &bad_port);
    struct lines lines = {0};
    struct weir_log log = {.sink = keep_line, .context = &lines, .level = WEIR_LOG_LEVEL_INFO};
    struct weir_task_pool *pool = NULL;
    struct weir_detail detail = {{0}};
    const struct weir_config_advertised items[] = {{"A", "127.0.0.1", good_port},
                                                   {"B", "127.0.0.1", bad_port},
                                                   {"C", NULL, 9092},
                                                   {"D", "127.0.0.1", 0}};
    cr_assert_eq(weir_task_pool_new(weir_env_posix(), 1, &pool, &detail), WEIR_OK, "%s",
                 detail.text);
    cr_expect_eq(weir_advertise_check(pool, weir_env_posix(), &log, items, 4), WEIR_OK);
    weir_task_pool_free(pool);
    cr_expect_eq(lines.count, (size_t)1);
    cr_expect_not_null(strstr(lines.last, "listener=B"));
    close(good);
    close(bad);
}
