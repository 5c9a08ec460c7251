/* SPDX-License-Identifier: Apache-2.0 */
#include "server_world.h"

Test(requests, responses_have_the_header_of_their_version)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    ask(fd, KEY_METADATA, 4, 1, false, "e old");
    expect(fd, 1, "e old");
    ask(fd, KEY_METADATA, 12, 2, true, "e new");
    char text[32] = "?e new";
    uint8_t head[8];
    cr_assert(get_bytes(fd, head, 8));
    cr_assert_eq(weir_get_i32(head), 4 + 6);
    cr_assert(get_bytes(fd, text, 6));
    cr_assert_eq(text[0], 0);
    cr_assert_eq(memcmp(text + 1, "e new", 5), 0);
    ask(fd, KEY_API_VERSIONS, 3, 3, true, "e v3");
    expect(fd, 3, "e v3");
    close(fd);
    server_world_done(&world);
}

Test(requests, a_request_may_come_in_any_two_pieces)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    uint8_t frame[256];
    size_t size = build_request(frame, KEY_API_VERSIONS, 3, 5, true, "e");
    for (size_t cut = 1; cut < size; cut++) {
        put_bytes(fd, frame, cut);
        put_bytes(fd, frame + cut, size - cut);
        expect(fd, 5, "e");
    }
    close(fd);
    server_world_done(&world);
}

Test(requests, handlers_see_who_asks)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    ask_free(fd, 1, "v");
    char text[128];
    (void)snprintf(text, sizeof(text), "v4 client=t peer=127.0.0.1 local=127.0.0.1:%u software=",
                   weir_server_port(world.server, 0));
    expect(fd, 1, text);
    ask_free(fd, 2, "v");
    (void)strncat(text, "seen", sizeof(text) - strlen(text) - 1);
    expect(fd, 2, text);
    close(fd);
    WAIT_COUNTER(&world, connections_open, 0);
    server_world_done(&world);
    cr_assert_eq(atomic_load(&world.sessions_done), 1);
}

Test(requests, null_and_negative_client_ids_and_header_tags_are_taken)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    uint8_t null_id[] = {0, 0, 0, 11, 0, 3, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 'e'};
    put_bytes(fd, null_id, sizeof(null_id));
    expect(fd, 1, "e");
    null_id[13] = 0xfe;
    put_bytes(fd, null_id, sizeof(null_id));
    expect(fd, 1, "e");
    uint8_t tags[] = {0,    0,    0, 19, 0, 18,  0, 3, 0,   0,   0,  9,
                      0xff, 0xff, 2, 5,  1, 'x', 5, 2, 'y', 'z', 'e'};
    put_bytes(fd, tags, sizeof(tags));
    expect(fd, 9, "e");
    close(fd);
    server_world_done(&world);
}

Test(requests, blocking_ones_start_one_after_the_other)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    ask_serial(fd, 1, "p1");
    ask_serial(fd, 2, "p2");
    ask_serial(fd, 3, "e3");
    struct weir_request *first = wait_pending(&world, 0);
    expect_alive(&world); /* the loop has been round: were the second to start, it would have */
    cr_assert_eq(world.pending_count, 1);
    complete(&world, first);
    expect(fd, 1, "p1");
    complete(&world, wait_pending(&world, 1));
    expect(fd, 2, "p2");
    expect(fd, 3, "e3");
    close(fd);
    server_world_done(&world);
}

Test(requests, answers_leave_in_order_when_they_are_ready_in_reverse)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    enum { COUNT = 10 };
    struct weir_request *requests[COUNT];
    for (int i = 0; i < COUNT; i++)
        ask_free(fd, i, "p");
    ask_free(fd, COUNT, "e last");
    for (size_t i = 0; i < COUNT; i++)
        requests[i] = wait_pending(&world, i);
    for (int i = COUNT - 1; i >= 0; i--)
        complete(&world, requests[i]);
    for (int i = 0; i < COUNT; i++)
        expect(fd, i, "p");
    expect(fd, COUNT, "e last");
    close(fd);
    server_world_done(&world);
}

Test(requests, more_than_the_most_under_way_wait_their_turn)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    enum { COUNT = 64 };
    for (int i = 0; i < COUNT; i++)
        ask_free(fd, i, "p");
    ask_free(fd, 1000, "e after");
    struct weir_request *first = wait_pending(&world, 0);
    for (size_t i = 1; i < COUNT; i++)
        (void)wait_pending(&world, i);
    WAIT_COUNTER(&world, requests, COUNT);
    complete(&world, first);
    expect(fd, 0, "p");
    WAIT_COUNTER(&world, requests, COUNT + 1);
    for (size_t i = 1; i < COUNT; i++) {
        complete(&world, world.pending[i]);
        expect(fd, (int32_t)i, "p");
    }
    expect(fd, 1000, "e after");
    close(fd);
    server_world_done(&world);
}

Test(requests, silent_ones_have_no_response_and_do_not_hold_up_the_next)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    for (int32_t i = 0; i < 100; i++)
        ask_serial(fd, i, "s");
    ask_serial(fd, 100, "e");
    expect(fd, 100, "e");
    WAIT_COUNTER(&world, requests, 101);
    WAIT_COUNTER(&world, responses, 1);
    close(fd);
    server_world_done(&world);
}

Test(requests, a_response_that_cannot_be_encoded_may_be_replaced)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    ask_free(fd, 1, "x");
    expect(fd, 1, "sorry");
    close(fd);
    server_world_done(&world);
}

Test(requests, file_ranges_are_spliced_in_and_released_once)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    char path[] = "/tmp/weir-test-XXXXXX";
    int temp = mkstemp(path);
    cr_assert_geq(temp, 0);
    cr_assert_eq(write(temp, "0123456789", 10), 10);
    close(temp);
    cr_assert_eq(weir_file_open(weir_env_posix(), path, WEIR_OPEN_READ, &world.file, NULL),
                 WEIR_OK);
    unlink(path);
    int fd = dial(&world);
    for (int32_t i = 0; i < 3; i++)
        ask_free(fd, i, "f");
    for (int32_t i = 0; i < 3; i++) {
        uint8_t got[8 + 1 + 4 + 5 + 1];
        cr_assert(get_bytes(fd, got, sizeof(got)));
        cr_assert_eq(weir_get_i32(got), (int32_t)sizeof(got) - 4);
        cr_assert_eq(got[8], '<');
        cr_assert_eq(weir_get_i32(got + 9), 5);
        cr_assert_eq(memcmp(got + 13, "23456>", 6), 0);
    }
    close(fd);
    WAIT_COUNTER(&world, connections_open, 0);
    server_world_done(&world);
    cr_assert_eq(atomic_load(&world.released), 3);
}

Test(requests, a_client_that_leaves_cancels_what_waits_for_it)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    ask_free(fd, 1, "p1");
    ask_free(fd, 2, "p2");
    ask_serial(fd, 3, "p3");
    struct weir_request *requests[3];
    for (size_t i = 0; i < 3; i++)
        requests[i] = wait_pending(&world, i);
    close(fd);
    while (atomic_load(&world.cancelled) < 3)
        continue;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(requests[i]->body.data[0], 'p');
        complete(&world, requests[i]);
    }
    WAIT_COUNTER(&world, connections_open, 0);
    server_world_done(&world);
    cr_assert_eq(atomic_load(&world.cancelled), 3);
}

Test(requests, what_was_sent_before_leaving_is_still_done)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    ask_serial(fd, 0, "p");
    for (int32_t i = 1; i < 10; i++)
        ask_serial(fd, i, "s");
    struct weir_request *first = wait_pending(&world, 0);
    close(fd);
    while (atomic_load(&world.cancelled) < 1)
        continue;
    complete(&world, first);
    WAIT_COUNTER(&world, requests, 10);
    WAIT_COUNTER(&world, connections_open, 0);
    server_world_done(&world);
}

Test(requests, a_client_that_does_not_read_is_not_served_on)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){.unsent_bytes_max = 65536});
    int fd = dial(&world);
    enum { BODY = 100000, COUNT = 300 };
    uint8_t *frame = weir_calloc(1, BODY + 14);
    weir_put_i32(frame, BODY + 10);
    weir_put_i16(frame + 4, KEY_METADATA);
    weir_put_i16(frame + 6, 4);
    weir_put_i16(frame + 12, -1);
    memset(frame + 14, 'e', BODY);
    size_t put_total = 0;
    /* Until both socket buffers are full and nobody reads. */
    for (int quiet = 0; quiet < 20 && put_total < (size_t)COUNT * (BODY + 14);) {
        size_t at = put_total % (BODY + 14);
        ssize_t put_now = send(fd, frame + at, BODY + 14 - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        struct weir_server_counters counters;
        weir_server_counters(world.server, &counters);
        cr_assert_leq(counters.response_bytes, 65536 + 2 * (BODY + 65536));
        quiet = put_now > 0 ? 0 : quiet + 1;
        put_total += put_now > 0 ? (size_t)put_now : 0;
        if (put_now <= 0)
            expect_alive(&world);
    }
    cr_assert_lt(put_total, (size_t)COUNT * (BODY + 14));
    uint8_t *got = weir_malloc(BODY + 14);
    for (size_t i = 0; i < put_total / (BODY + 14); i++) {
        cr_assert(get_bytes(fd, got, BODY + 8));
        cr_assert_eq(weir_get_i32(got), BODY + 4);
        cr_assert_eq(got[8], 'e');
        cr_assert_eq(got[BODY + 7], 'e');
    }
    weir_free(got);
    weir_free(frame);
    close(fd);
    server_world_done(&world);
}
