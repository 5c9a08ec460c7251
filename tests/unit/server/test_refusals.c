/* SPDX-License-Identifier: Apache-2.0 */
#include "server_world.h"

static void expect_refused(struct server_world *world, const void *bytes, size_t size)
{
    int fd = dial(world);
    put_bytes(fd, bytes, size);
    expect_end(fd);
    close(fd);
    expect_alive(world);
}

/* As Apache Kafka 4.3.0 does. */
Test(refusals, frames_that_are_no_request_close_their_connection_only)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    expect_refused(&world, "\0\0\0\0", 4);
    expect_refused(&world, "\xff\xff\xff\xff", 4);
    expect_refused(&world, "\x06\x40\0\1", 4); /* 100 MB and one */
    expect_refused(&world, "\0\0\0\2\0\x12", 6);
    expect_refused(&world, "\0\0\0\x0a\3\xe7\0\0\0\0\0\1\xff\xff", 14);   /* API 999 */
    expect_refused(&world, "\0\0\0\x0a\xff\xff\0\0\0\0\0\1\xff\xff", 14); /* API -1 */
    expect_refused(&world, "\0\0\0\x0a\0\3\0\x63\0\0\0\1\xff\xff\0", 15); /* version 99 */
    expect_refused(&world, "\0\0\0\x0a\0\3\xff\xff\0\0\0\1\xff\xff", 14); /* version -1 */
    expect_refused(&world, "\0\0\0\x0a\0\0\0\2\0\0\0\1\xff\xff", 14);     /* Produce v2 */
    expect_refused(&world, "\0\0\0\x0a\0\x34\0\0\0\0\0\1\xff\xff", 14);   /* Vote: no row */
    expect_refused(&world, "\0\0\0\x0b\0\x12\0\0\0\0\0\1\x75\x30x", 15);  /* long client id */
    expect_refused(&world, "\0\0\0\x0e\0\3\0\x0c\0\0\0\1\xff\xff\1\5\xff\x7f", 18); /* tag size */
    WAIT_COUNTER(&world, frames_refused, 12);
    cr_assert_geq(lines_with(&world, "request_refused"), 1);
    server_world_done(&world);
}

Test(refusals, api_versions_of_unknown_versions_reaches_its_handler)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    char text[128];
    (void)snprintf(text, sizeof(text),
                   "v0 unknown client=t peer=127.0.0.1 local=127.0.0.1:%u software=",
                   weir_server_port(world.server, 0));
    ask(fd, KEY_API_VERSIONS, 99, 1, true, "whatever comes in such a version");
    expect(fd, 1, text);
    ask(fd, KEY_API_VERSIONS, -1, 2, false, "");
    (void)strncat(text, "seen", sizeof(text) - strlen(text) - 1);
    expect(fd, 2, text);
    ask(fd, KEY_API_VERSIONS, 0, 3, false, "e");
    expect(fd, 3, "e");
    close(fd);
    server_world_done(&world);
}

Test(refusals, a_closing_handler_lets_earlier_answers_leave_and_later_ones_not)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    ask_free(fd, 1, "p");
    ask_free(fd, 2, "c");
    ask_free(fd, 3, "e never");
    complete(&world, wait_pending(&world, 0));
    expect(fd, 1, "p");
    expect_end(fd);
    close(fd);
    cr_assert_eq(lines_with(&world, "reason=\"the test says so\""), 1);
    server_world_done(&world);
}

Test(refusals, a_bad_frame_lets_earlier_answers_leave)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    int fd = dial(&world);
    ask_free(fd, 1, "p");
    ask(fd, KEY_METADATA, 99, 2, true, "");
    complete(&world, wait_pending(&world, 0));
    expect(fd, 1, "p");
    expect_end(fd);
    close(fd);
    server_world_done(&world);
}

Test(refusals, http_and_tls_are_told_in_few_lines_however_often_they_come)
{
    struct server_world world;
    server_world_init(&world, (struct weir_server_options){0});
    for (int i = 0; i < 20; i++) {
        int fd = dial(&world);
        put_bytes(fd, "GET /metrics HTTP/1.1\r\n\r\n", 25);
        char answer[13] = {0};
        cr_assert(get_bytes(fd, answer, 12));
        cr_assert_str_eq(answer, "HTTP/1.1 400");
        close(fd);
    }
    int lines = lines_with(&world, "the client speaks HTTP");
    cr_assert(lines >= 1 && lines < 20);
    cr_assert_geq(lines_with(&world, "peer=127.0.0.1"), 1);
    int fd = dial(&world);
    put_bytes(fd, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    expect_end(fd);
    close(fd);
    WAIT_COUNTER(&world, frames_refused, 21);
    /* The line comes after the count. */
    int64_t until_ms = weir_env_monotonic_ms(weir_env_posix()) + 10000;
    while (lines_with(&world, "the client speaks TLS") == 0 &&
           weir_env_monotonic_ms(weir_env_posix()) < until_ms)
        ;
    cr_assert_eq(lines_with(&world, "the client speaks TLS"), 1);
    server_world_done(&world);
}
