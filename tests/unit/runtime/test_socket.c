/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/runtime/socket.h"

#include "stepped_env.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct door {
    struct stepped_env env;
    struct weir_loop *loop;
    struct weir_listener *listener;
    struct weir_socket *accepted;
    unsigned ready;
};

static void take_socket(void *context, struct weir_socket *socket)
{
    struct door *door = context;
    cr_assert_null(door->accepted);
    door->accepted = socket;
}

static void note_ready(void *context, unsigned events)
{
    ((struct door *)context)->ready |= events;
}

static enum weir_status door_open(struct door *door, const char *host, uint16_t port,
                                  struct weir_detail *detail)
{
    *door = (struct door){0};
    stepped_env_init(&door->env);
    cr_assert_eq(weir_loop_new(&door->env.env, "test", &door->loop, NULL), WEIR_OK);
    struct weir_listen_options options = {.host = host,
                                          .port = port,
                                          .backlog = 5,
                                          .send_buffer_bytes = 20000,
                                          .receive_buffer_bytes = -1,
                                          .accepted = take_socket,
                                          .context = door};
    return weir_network_listen(weir_network_posix(), door->loop, &options, &door->listener, detail);
}

static void door_close(struct door *door)
{
    weir_socket_close(door->accepted);
    weir_listener_close(door->listener);
    weir_loop_free(door->loop);
}

static int knock(struct door *door)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(door->listener->local.port),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    weir_loop_turn(door->loop, 1000);
    cr_assert_not_null(door->accepted);
    return fd;
}

Test(socket, ipv4_clients_have_ipv4_addresses_whatever_the_listener)
{
    static const char *const hosts[] = {NULL, "", "127.0.0.1", "0.0.0.0", "localhost"};
    for (size_t i = 0; i < 5; i++) {
        struct door door;
        cr_assert_eq(door_open(&door, hosts[i], 0, NULL), WEIR_OK);
        cr_assert_neq(door.listener->local.port, 0);
        int fd = knock(&door);
        cr_assert_str_eq(door.accepted->peer.host, "127.0.0.1");
        cr_assert_str_eq(door.accepted->local.host, "127.0.0.1");
        cr_assert_eq(door.accepted->local.port, door.listener->local.port);
        close(fd);
        door_close(&door);
    }
}

Test(socket, a_taken_port_and_an_unknown_host_are_told)
{
    struct door door;
    struct door other;
    struct weir_detail detail = {0};
    cr_assert_eq(door_open(&door, "127.0.0.1", 0, NULL), WEIR_OK);
    cr_assert_eq(door_open(&other, "127.0.0.1", door.listener->local.port, &detail), WEIR_BUSY);
    cr_assert_not_null(strstr(detail.text, "127.0.0.1"));
    door_close(&other);
    cr_assert_eq(door_open(&other, "999.1.1.1", 0, &detail), WEIR_NOT_FOUND);
    cr_assert_not_null(strstr(detail.text, "999.1.1.1"));
    door_close(&other);
    door_close(&door);
}

Test(socket, reads_and_writes_tell_pending_data_and_the_end)
{
    struct door door;
    cr_assert_eq(door_open(&door, "127.0.0.1", 0, NULL), WEIR_OK);
    int fd = knock(&door);
    char bytes[16];
    size_t size = 0;
    cr_assert_eq(weir_socket_attach(door.accepted, door.loop, note_ready, &door, NULL), WEIR_OK);
    cr_assert_eq(weir_socket_read(door.accepted, bytes, sizeof(bytes), &size), WEIR_PENDING);
    weir_loop_turn(door.loop, 0);
    cr_assert_eq(door.ready, 0);
    cr_assert_eq(write(fd, "abc", 3), 3);
    weir_socket_watch(door.accepted, WEIR_WATCH_READ);
    weir_loop_turn(door.loop, 1000);
    cr_assert_eq(door.ready, WEIR_WATCH_READ);
    cr_assert_eq(weir_socket_read(door.accepted, bytes, 2, &size), WEIR_OK);
    cr_assert_eq(size, 2);
    struct weir_slice parts[] = {WEIR_SLICE("x"), WEIR_SLICE("yz")};
    cr_assert_eq(weir_socket_write(door.accepted, parts, 2, false, &size), WEIR_OK);
    cr_assert_eq(size, 3);
    cr_assert_eq(recv(fd, bytes, 3, MSG_WAITALL), 3);
    weir_socket_shut_write(door.accepted);
    cr_assert_eq(recv(fd, bytes, 1, 0), 0);
    cr_assert_eq(weir_socket_read(door.accepted, bytes, sizeof(bytes), &size), WEIR_OK);
    close(fd);
    weir_loop_turn(door.loop, 1000);
    cr_assert_eq(weir_socket_read(door.accepted, bytes, sizeof(bytes), &size), WEIR_CLOSED);
    door_close(&door);
}

Test(socket, a_broken_connection_is_an_exception_and_not_a_signal)
{
    struct door door;
    cr_assert_eq(door_open(&door, "127.0.0.1", 0, NULL), WEIR_OK);
    int fd = knock(&door);
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd); /* resets */
    struct weir_slice part = WEIR_SLICE("x");
    size_t size = 0;
    cr_assert_eq(weir_socket_write(door.accepted, &part, 1, false, &size), WEIR_NETWORK_EXCEPTION);
    cr_assert_eq(weir_socket_write(door.accepted, &part, 1, false, &size), WEIR_NETWORK_EXCEPTION);
    door_close(&door);
}
