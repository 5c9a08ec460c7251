/* SPDX-License-Identifier: Apache-2.0 */
#include "net_world.h"

Test(connection, frames_come_whole_whatever_the_byte_they_are_cut_at)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    static const char stream[] = "\0\0\0\5hello\0\0\0\0\0\0\0\7weirdos";
    size_t size = sizeof(stream) - 1;
    for (size_t cut = 0; cut <= size; cut++) {
        struct end end;
        open_end(&world, &end);
        put(&end, stream, cut);
        turn(&world, 2);
        put(&end, stream + cut, size - cut);
        turn(&world, 2);
        cr_assert_eq(end.frame_count, 3);
        assert_frame(&end, 0, "hello");
        assert_frame(&end, 1, "");
        assert_frame(&end, 2, "weirdos");
        close_end(&world, &end);
        cr_assert_eq(end.reason, WEIR_CLOSE_PEER);
    }
    net_world_done(&world);
}

Test(connection, frames_come_whole_byte_by_byte)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    struct end end;
    open_end(&world, &end);
    for (int i = 0; i < 3; i++) {
        static const char stream[] = "\0\0\0\4weir";
        for (size_t at = 0; at < sizeof(stream) - 1; at++) {
            put(&end, stream + at, 1);
            turn(&world, 1);
        }
        cr_assert_eq(end.frame_count, (size_t)i + 1);
        assert_frame(&end, (size_t)i, "weir");
    }
    close_end(&world, &end);
    net_world_done(&world);
}

Test(connection, an_idle_connection_holds_no_buffer)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    struct end end;
    open_end(&world, &end);
    put_frame(&end, "one");
    turn(&world, 1);
    cr_assert_gt(weir_budget_used(&world.receive_budget), 0);
    release_frames(&end);
    turn(&world, 1);
    cr_assert_eq(weir_budget_used(&world.receive_budget), 0);
    close_end(&world, &end);
    net_world_done(&world);
}

Test(connection, a_claimed_length_buys_no_memory)
{
    struct net_world world;
    net_world_init(&world, 100 << 20, 1 << 30);
    struct end end;
    open_end(&world, &end);
    put_length(&end, 100 << 20);
    put(&end, "x", 1);
    turn(&world, 2);
    cr_assert_leq(weir_budget_used(&world.receive_budget), 65536);
    close_end(&world, &end);
    cr_assert_eq(end.frame_count, 0);
    net_world_done(&world);
}

Test(connection, large_frames_grow_with_what_arrives)
{
    struct net_world world;
    net_world_init(&world, 10 << 20, 1 << 30);
    struct end end;
    open_end(&world, &end);
    enum { SIZE = 3000000 };
    uint8_t *bytes = weir_malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 7 >> 3);
    for (int round = 0; round < 2; round++) {
        put_length(&end, SIZE);
        size_t sent = 0;
        while (end.frame_count == 0) {
            ssize_t put_now = send(end.far, bytes + sent, SIZE - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            sent += put_now > 0 ? (size_t)put_now : 0;
            cr_assert_leq(weir_budget_used(&world.receive_budget), 2 * sent + (1 << 20) + 65536);
            turn(&world, 1);
        }
        cr_assert_eq(end.frames[0].bytes.size, SIZE);
        cr_assert_eq(memcmp(end.frames[0].bytes.data, bytes, SIZE), 0);
        release_frames(&end);
    }
    weir_free(bytes);
    close_end(&world, &end);
    net_world_done(&world);
}

Test(connection, lengths_over_the_limit_or_negative_close_it)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    static const int32_t lengths[] = {1001, INT32_MAX, -1, INT32_MIN};
    for (size_t i = 0; i < 4; i++) {
        struct end end;
        open_end(&world, &end);
        put_frame(&end, "first");
        put_length(&end, lengths[i]);
        turn(&world, 2);
        cr_assert(end.is_closed);
        cr_assert_eq(end.reason, WEIR_CLOSE_TOO_LARGE);
        cr_assert_neq(end.detail.text[0], '\0');
        cr_assert_eq(end.frame_count, 1);
        close_end(&world, &end);
    }
    net_world_done(&world);
}

Test(connection, a_frame_of_exactly_the_limit_is_taken)
{
    struct net_world world;
    net_world_init(&world, 5, 1 << 20);
    struct end end;
    open_end(&world, &end);
    put_frame(&end, "12345");
    turn(&world, 2);
    assert_frame(&end, 0, "12345");
    close_end(&world, &end);
    net_world_done(&world);
}

Test(connection, http_is_answered_in_http_and_closed)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    static const char *const requests[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST", "HEAD /",
                                           "OPTIONS * HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\n"};
    for (size_t i = 0; i < 5; i++) {
        struct end end;
        open_end(&world, &end);
        put(&end, requests[i], strlen(requests[i]));
        turn(&world, 2);
        cr_assert(end.is_closed);
        cr_assert_eq(end.reason, WEIR_CLOSE_HTTP);
        char answer[512] = {0};
        ssize_t got = recv(end.far, answer, sizeof(answer) - 1, 0);
        cr_assert_gt(got, 0);
        cr_assert_eq(strncmp(answer, "HTTP/1.1 400 ", 13), 0);
        const char *body = strstr(answer, "\r\n\r\n");
        const char *length = strstr(answer, "Content-Length: ");
        cr_assert(body != NULL && length != NULL);
        cr_assert_eq(strtol(length + 16, NULL, 10), (long)strlen(body + 4));
        cr_assert_eq(recv(end.far, answer, sizeof(answer), 0), 0);
        close_end(&world, &end);
    }
    net_world_done(&world);
}

Test(connection, tls_is_recognised_whether_or_not_its_length_would_be_allowed)
{
    static const size_t limits[] = {1000, INT32_MAX};
    for (size_t i = 0; i < 2; i++) {
        struct net_world world;
        net_world_init(&world, limits[i], 1 << 20);
        struct end end;
        open_end(&world, &end);
        put(&end, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
        turn(&world, 2);
        cr_assert(end.is_closed);
        cr_assert_eq(end.reason, WEIR_CLOSE_TLS);
        close_end(&world, &end);
        net_world_done(&world);
    }
}

Test(connection, only_the_first_bytes_are_looked_at_for_other_protocols)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    struct end end;
    open_end(&world, &end);
    put_frame(&end, "GET / HTTP/1.1");
    turn(&world, 2);
    assert_frame(&end, 0, "GET / HTTP/1.1");
    put(&end, "GET ", 4);
    turn(&world, 2);
    cr_assert_eq(end.reason, WEIR_CLOSE_TOO_LARGE);
    close_end(&world, &end);
    net_world_done(&world);
}

Test(connection, nothing_is_delivered_while_paused_and_all_afterwards_in_order)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    struct end end;
    open_end(&world, &end);
    end.pauses = true;
    put_frame(&end, "a");
    put_frame(&end, "b");
    put_frame(&end, "c");
    turn(&world, 3);
    cr_assert_eq(end.frame_count, 1);
    weir_connection_resume(end.connection);
    cr_assert_eq(end.frame_count, 2);
    turn(&world, 2);
    cr_assert_eq(end.frame_count, 2);
    end.pauses = false;
    weir_connection_resume(end.connection);
    assert_frame(&end, 2, "c");
    close_end(&world, &end);
    net_world_done(&world);
}

Test(connection, a_paused_connection_reads_little_ahead)
{
    struct net_world world;
    net_world_init(&world, 1 << 20, 1 << 20);
    struct end end;
    open_end(&world, &end);
    weir_connection_pause(end.connection);
    uint8_t bytes[60000] = {0};
    weir_put_i32(bytes, sizeof(bytes) - 4);
    put(&end, bytes, sizeof(bytes));
    turn(&world, 10);
    cr_assert_leq(weir_budget_used(&world.receive_budget), 65536);
    cr_assert_eq(end.frame_count, 0);
    weir_connection_resume(end.connection);
    turn(&world, 5);
    cr_assert_eq(end.frame_count, 1);
    close_end(&world, &end);
    net_world_done(&world);
}

Test(connection, a_peer_that_leaves_is_noticed_while_paused_and_its_frames_still_come)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    struct end end;
    open_end(&world, &end);
    end.pauses = true;
    put_frame(&end, "a");
    turn(&world, 2);
    cr_assert_not(end.has_peer_ended);
    close(end.far);
    end.far = -1;
    turn(&world, 2);
    cr_assert(end.has_peer_ended);
    cr_assert_not(end.is_closed);
    weir_connection_resume(end.connection);
    cr_assert(end.is_closed);
    cr_assert_eq(end.reason, WEIR_CLOSE_PEER);

    struct end hasty;
    open_end(&world, &hasty);
    put_frame(&hasty, "a");
    put_frame(&hasty, "b");
    close(hasty.far);
    hasty.far = -1;
    turn(&world, 3);
    cr_assert_eq(hasty.frame_count, 2);
    cr_assert_eq(hasty.reason, WEIR_CLOSE_PEER);
    close_end(&world, &hasty);
    close_end(&world, &end);
    net_world_done(&world);
}

Test(connection, idle_ones_are_closed_and_busy_or_active_ones_are_not)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    struct end idle;
    struct end busy;
    struct end active;
    open_end(&world, &idle);
    open_end(&world, &busy);
    open_end(&world, &active);
    busy.is_busy = true;
    step(&world, 600);
    put_frame(&active, "x");
    turn(&world, 2);
    step(&world, 399);
    cr_assert_not(idle.is_closed);
    step(&world, 1);
    cr_assert(idle.is_closed);
    cr_assert_eq(idle.reason, WEIR_CLOSE_IDLE);
    cr_assert_not(busy.is_closed);
    cr_assert_not(active.is_closed);
    busy.is_busy = false;
    step(&world, 600);
    cr_assert(active.is_closed);
    cr_assert_not(busy.is_closed);
    step(&world, 400);
    cr_assert(busy.is_closed);
    struct weir_connection_counters counters;
    weir_connection_set_counters(world.set, &counters);
    cr_assert_eq(counters.idle_closed, 3);
    cr_assert_eq(counters.bytes_in, 5);
    close_end(&world, &idle);
    close_end(&world, &busy);
    close_end(&world, &active);
    net_world_done(&world);
}

Test(connection, frames_may_outlive_their_connection)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    struct end end;
    open_end(&world, &end);
    put_frame(&end, "kept");
    turn(&world, 2);
    weir_connection_close(end.connection);
    cr_assert_eq(end.reason, WEIR_CLOSE_LOCAL);
    turn(&world, 2);
    assert_frame(&end, 0, "kept");
    close_end(&world, &end);
    net_world_done(&world);
}

Test(connection, frames_held_in_one_buffer_are_not_overwritten_by_later_ones)
{
    struct net_world world;
    net_world_init(&world, 10000, 1 << 20);
    struct end end;
    open_end(&world, &end);
    char text[701];
    for (int i = 0; i < 40; i++) {
        memset(text, 'A' + i, 700);
        text[700] = '\0';
        put_frame(&end, text);
        turn(&world, 1);
    }
    for (size_t i = 0; i < 40; i++) {
        memset(text, 'A' + (int)i, 700);
        assert_frame(&end, i, text);
    }
    close_end(&world, &end);
    net_world_done(&world);
}
