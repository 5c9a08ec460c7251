/* SPDX-License-Identifier: Apache-2.0 */
#include "server_world.h"

#include <sys/resource.h>

Test(admission, no_more_connections_than_the_limit_and_room_again_when_one_goes)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){.connections_max = 2});
    int first = dial(&world);
    int second = dial(&world);
    ask_free(first, 1, "e");
    expect(first, 1, "e");
    ask_free(second, 1, "e");
    expect(second, 1, "e");
    int third = dial(&world);
    expect_end(third);
    close(third);
    cr_assert_eq(lines_with(&world, "limit=max.connections"), 1);
    WAIT_COUNTER(&world, connections_refused, 1);
    close(first);
    WAIT_COUNTER(&world, connections_open, 1);
    expect_alive(&world);
    close(second);
    server_world_done(&world);
}

Test(admission, one_address_has_its_own_limit_and_its_own_exception)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){.connections_per_ip_max = 1});
    int first = dial(&world);
    ask_free(first, 1, "e");
    expect(first, 1, "e");
    int second = dial(&world);
    expect_end(second);
    close(second);
    close(first);
    server_world_done(&world);

    static const struct weir_server_ip_limit limit = {.host = "127.0.0.1", .connections_max = 2};
    server_world_init(&world, (struct weir_server_options){.connections_per_ip_max = 1,
                                                           .ip_limits = &limit,
                                                           .ip_limit_count = 1});
    first = dial(&world);
    ask_free(first, 1, "e");
    expect(first, 1, "e");
    expect_alive(&world);
    close(first);
    server_world_done(&world);

    static const struct weir_server_ip_limit other = {.host = "192.0.2.1", .connections_max = 5};
    server_world_init(&world,
                      (struct weir_server_options){.ip_limits = &other, .ip_limit_count = 1});
    first = dial(&world);
    expect_end(first);
    close(first);
    server_world_done(&world);
}

Test(admission, a_listener_may_have_a_limit_of_its_own)
{
    struct server_world world;
    static const struct weir_server_listener listener = {
        .name = "SMALL", .host = "127.0.0.1", .connections_max = 1};
    server_world_init(&world,
                      (struct weir_server_options){.listeners = &listener, .listener_count = 1});
    int first = dial(&world);
    ask_free(first, 1, "e");
    expect(first, 1, "e");
    int second = dial(&world);
    expect_end(second);
    close(second);
    close(first);
    server_world_done(&world);
}

Test(admission, two_thousand_connections_are_served)
{
    struct rlimit files;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    size_t count = 2000;
    if (files.rlim_max < 2 * count + 100)
        count = (files.rlim_max - 100) / 2;
    struct server_world world;
    server_world_init(&world,
                      (struct weir_server_options){.loop_count = 2, .listen_backlog = 1000});
    int *fds = weir_calloc(count, sizeof(*fds));
    for (size_t i = 0; i < count; i++) {
        fds[i] = dial(&world);
        ask_free(fds[i], (int32_t)i, "e");
    }
    for (size_t i = 0; i < count; i++)
        expect(fds[i], (int32_t)i, "e");
    WAIT_COUNTER(&world, connections_open, count);
    WAIT_COUNTER(&world, request_bytes, 0);
    WAIT_COUNTER(&world, response_bytes, 0);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    WAIT_COUNTER(&world, connections_open, 0);
    weir_free(fds);
    server_world_done(&world);
}

Test(admission, idle_connections_are_closed_and_waiting_ones_are_not)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){.idle_ms = 50});
    int idle = dial(&world);
    int waiting = dial(&world);
    ask_free(waiting, 1, "p");
    struct weir_request *request = wait_pending(&world, 0);
    int later = dial(&world);
    expect_end(idle);
    expect_end(later); /* it was closed for idleness after the waiting one became due */
    complete(&world, request);
    expect(waiting, 1, "p");
    expect_end(waiting);
    WAIT_COUNTER(&world, connections_idle_closed, 3);
    close(idle);
    close(waiting);
    close(later);
    server_world_done(&world);
}
