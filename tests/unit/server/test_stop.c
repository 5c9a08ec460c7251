/* SPDX-License-Identifier: Apache-2.0 */
#include "server_world.h"

Test(stop, a_server_that_never_started_can_be_freed)
{
    struct server_world world = {.dispatch = {.rows = rows, .row_count = 3}};
    struct weir_server_options options = {.env = weir_env_posix(),
                                          .listeners = &loopback,
                                          .listener_count = 1,
                                          .dispatch = &world.dispatch};
    struct weir_server *server = NULL;
    cr_assert_eq(weir_server_new(&options, &server, NULL), WEIR_OK);
    weir_server_free(server);
    cr_assert_eq(weir_server_new(&options, &server, NULL), WEIR_OK);
    cr_assert_eq(weir_server_listen(server, NULL), WEIR_OK);
    cr_assert_neq(weir_server_port(server, 0), 0);
    weir_server_stop(server, 0);
    weir_server_free(server);
    weir_server_free(NULL);
}

Test(stop, connections_wait_between_listen_and_start)
{
    struct server_world world = {.dispatch = {.rows = rows, .row_count = 3, .context = &world}};
    struct weir_server_options options = {.env = weir_env_posix(),
                                          .listeners = &loopback,
                                          .listener_count = 1,
                                          .dispatch = &world.dispatch};
    cr_assert_eq(weir_server_new(&options, &world.server, NULL), WEIR_OK);
    cr_assert_eq(weir_server_listen(world.server, NULL), WEIR_OK);
    int fd = dial(&world);
    ask_free(fd, 1, "e");
    cr_assert_eq(weir_server_start(world.server, NULL), WEIR_OK);
    expect(fd, 1, "e");
    close(fd);
    weir_server_stop(world.server, 0);
    weir_server_free(world.server);
}

Test(stop, a_taken_port_is_told_with_the_name_of_the_listener)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    struct weir_server_listener listener = loopback;
    listener.port = weir_server_port(world.server, 0);
    struct weir_server_options options = {.env = weir_env_posix(),
                                          .listeners = &listener,
                                          .listener_count = 1,
                                          .dispatch = &world.dispatch};
    struct weir_server *other = NULL;
    struct weir_detail detail = {0};
    cr_assert_eq(weir_server_new(&options, &other, &detail), WEIR_OK);
    cr_assert_eq(weir_server_start(other, &detail), WEIR_BUSY);
    cr_assert_not_null(strstr(detail.text, "PLAINTEXT"));
    weir_server_free(other);
    server_world_done(&world);
}

Test(stop, a_row_for_an_api_that_does_not_exist_is_refused)
{
    static const struct weir_dispatch_row row = {.api_key = 999, .handler = handle};
    struct weir_dispatch dispatch = {.rows = &row, .row_count = 1};
    struct weir_server_options options = {.env = weir_env_posix(),
                                          .listeners = &loopback,
                                          .listener_count = 1,
                                          .dispatch = &dispatch};
    struct weir_server *server = NULL;
    cr_assert_eq(weir_server_new(&options, &server, NULL), WEIR_INVALID);
}

struct stopper {
    struct server_world *world;
    pthread_t thread;
};

static void *stop_with_grace(void *context)
{
    weir_server_stop(((struct stopper *)context)->world->server, 60000);
    return NULL;
}

Test(stop, requests_under_way_are_answered_within_the_grace)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){.loop_count = 2});
    int busy = dial(&world);
    int idle = dial(&world);
    ask_free(idle, 1, "e");
    expect(idle, 1, "e");
    ask_serial(busy, 1, "p");
    ask_serial(busy, 2, "e not started any more");
    struct weir_request *request = wait_pending(&world, 0);
    struct stopper stopper = {.world = &world};
    cr_assert_eq(pthread_create(&stopper.thread, NULL, stop_with_grace, &stopper), 0);
    expect_end(idle);
    complete(&world, request);
    expect(busy, 1, "p");
    expect_end(busy);
    pthread_join(stopper.thread, NULL);
    weir_server_free(world.server);
    close(busy);
    close(idle);
}

Test(stop, what_is_not_answered_by_then_is_cancelled_and_can_be_ended_later)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){.loop_count = 2});
    int fds[4];
    struct weir_request *requests[4];
    for (size_t i = 0; i < 4; i++) {
        fds[i] = dial(&world);
        ask_free(fds[i], 1, "p");
        requests[i] = wait_pending(&world, i);
    }
    weir_server_stop(world.server, 0);
    cr_assert_eq(atomic_load(&world.cancelled), 4);
    for (int i = 0; i < 4; i++) {
        expect_end(fds[i]);
        complete(&world, requests[i]);
        close(fds[i]);
    }
    weir_server_free(world.server);
}

Test(stop, nobody_is_let_in_afterwards)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(weir_server_port(world.server, 0)),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    weir_server_stop(world.server, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_neq(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    close(fd);
    weir_server_free(world.server);
}
