/* SPDX-License-Identifier: Apache-2.0 */
#include "net_world.h"

#include "weir/runtime/file_util.h"

#include <stdio.h>
#include <stdlib.h>

struct sent {
    struct weir_outgoing outgoing;
    struct weir_outgoing_part parts[3];
    int done;
};

static void note_done(struct weir_outgoing *outgoing)
{
    ((struct sent *)outgoing)->done++;
}

static void send_slice(struct end *end, struct sent *sent, struct weir_slice bytes)
{
    *sent = (struct sent){.parts = {{.bytes = bytes}}};
    sent->outgoing = (struct weir_outgoing){
        .parts = sent->parts, .part_count = 1, .memory_bytes = bytes.size, .done = note_done};
    weir_connection_send(end->connection, &sent->outgoing);
}

static size_t take(struct end *end, void *into, size_t size)
{
    ssize_t got = recv(end->far, into, size, 0);
    return got > 0 ? (size_t)got : 0;
}

Test(send, messages_leave_in_order_at_the_end_of_the_turn)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    struct end end;
    open_end(&world, &end);
    struct sent messages[3];
    send_slice(&end, &messages[0], WEIR_SLICE("one "));
    send_slice(&end, &messages[1], WEIR_EMPTY_SLICE);
    send_slice(&end, &messages[2], WEIR_SLICE("two"));
    cr_assert_eq(messages[0].done, 0);
    turn(&world, 1);
    char got[16] = {0};
    cr_assert_eq(take(&end, got, sizeof(got)), 7);
    cr_assert_str_eq(got, "one two");
    for (int i = 0; i < 3; i++)
        cr_assert_eq(messages[i].done, 1);
    close_end(&world, &end);
    net_world_done(&world);
}

struct temp_file {
    char path[64];
    struct weir_file *file;
};

static void temp_file_open(struct temp_file *temp, struct weir_slice content)
{
    struct weir_env *env = weir_env_posix();
    (void)snprintf(temp->path, sizeof(temp->path), "/tmp/weir-test-XXXXXX");
    int fd = mkstemp(temp->path);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_eq(weir_file_replace(env, temp->path, content, NULL), WEIR_OK);
    cr_assert_eq(weir_file_open(env, temp->path, WEIR_OPEN_READ, &temp->file, NULL), WEIR_OK);
}

static void temp_file_close(struct temp_file *temp)
{
    weir_file_close(weir_env_posix(), temp->file);
    unlink(temp->path);
}

/* One message of memory, a range of a file, memory; it arrives whole and in order. */
static void check_ranges(struct net_world *world)
{
    enum { SIZE = 900000 };
    uint8_t *content = weir_malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (uint8_t)(i * 31 >> 4);
    struct temp_file temp;
    temp_file_open(&temp, weir_slice_of(content, SIZE));
    struct end end;
    open_end(world, &end);
    struct weir_file_range range = {.file = temp.file, .file_pos = 5, .size = SIZE - 5};
    struct sent sent = {
        .parts = {{.bytes = WEIR_SLICE("head")}, {.range = &range}, {.bytes = WEIR_SLICE("tail")}}};
    sent.outgoing = (struct weir_outgoing){
        .parts = sent.parts, .part_count = 3, .memory_bytes = 8, .done = note_done};
    weir_connection_send(end.connection, &sent.outgoing);
    uint8_t *got = weir_calloc(1, SIZE + 3);
    size_t total = 0;
    while (total < SIZE + 3) {
        turn(world, 1);
        total += take(&end, got + total, SIZE + 3 - total);
        cr_assert_not(end.is_closed);
    }
    cr_assert_eq(memcmp(got, "head", 4), 0);
    cr_assert_eq(memcmp(got + 4, content + 5, SIZE - 5), 0);
    cr_assert_eq(memcmp(got + SIZE - 1, "tail", 4), 0);
    cr_assert_eq(sent.done, 1);
    weir_free(got);
    weir_free(content);
    close_end(world, &end);
    temp_file_close(&temp);
}

Test(send, file_ranges_with_a_descriptor_are_sent_by_the_kernel)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    check_ranges(&world);
    net_world_done(&world);
}

Test(send, file_ranges_without_a_descriptor_are_copied)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    stepped_env_hide_descriptors(&world.env);
    check_ranges(&world);
    net_world_done(&world);
}

Test(send, a_range_beyond_the_end_of_its_file_closes_the_connection)
{
    for (int hidden = 0; hidden < 2; hidden++) {
        struct net_world world;
        net_world_init(&world, 1000, 1 << 20);
        if (hidden == 1)
            stepped_env_hide_descriptors(&world.env);
        struct temp_file temp;
        temp_file_open(&temp, WEIR_SLICE("short"));
        struct end end;
        open_end(&world, &end);
        struct weir_file_range range = {.file = temp.file, .file_pos = 0, .size = 6};
        struct sent sent = {.parts = {{.range = &range}}};
        sent.outgoing =
            (struct weir_outgoing){.parts = sent.parts, .part_count = 1, .done = note_done};
        weir_connection_send(end.connection, &sent.outgoing);
        turn(&world, 2);
        cr_assert_eq(end.reason, WEIR_CLOSE_FILE);
        cr_assert_eq(sent.done, 1);
        close_end(&world, &end);
        temp_file_close(&temp);
        net_world_done(&world);
    }
}

Test(send, who_does_not_read_is_not_read_from)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    struct end end;
    open_end(&world, &end);
    static uint8_t answer[1 << 20];
    struct sent sent;
    put_frame(&end, "first");
    turn(&world, 1);
    send_slice(&end, &sent, weir_slice_of(answer, sizeof(answer)));
    turn(&world, 1);
    put_frame(&end, "second");
    turn(&world, 5);
    cr_assert_eq(end.frame_count, 1);
    static uint8_t got[1 << 20];
    size_t total = 0;
    while (total < sizeof(answer)) {
        total += take(&end, got, sizeof(got));
        turn(&world, 1);
    }
    turn(&world, 2);
    cr_assert_eq(sent.done, 1);
    cr_assert_eq(end.frame_count, 2);
    close_end(&world, &end);
    net_world_done(&world);
}

Test(send, ending_sends_what_is_queued_and_then_closes)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    struct end end;
    open_end(&world, &end);
    static uint8_t answer[1 << 20];
    struct sent sent;
    send_slice(&end, &sent, weir_slice_of(answer, sizeof(answer)));
    weir_connection_end(end.connection);
    put_frame(&end, "unheard");
    size_t total = 0;
    static uint8_t got[1 << 20];
    for (int i = 0; i < 1000 && total < sizeof(answer); i++) {
        turn(&world, 1);
        total += take(&end, got, sizeof(got));
    }
    turn(&world, 2);
    cr_assert_eq(total, sizeof(answer));
    cr_assert(end.is_closed);
    cr_assert_eq(end.reason, WEIR_CLOSE_LOCAL);
    cr_assert_eq(end.frame_count, 0);
    cr_assert_eq(recv(end.far, got, 1, 0), 0);
    close_end(&world, &end);
    net_world_done(&world);
}

Test(send, what_is_not_sent_is_done_once_when_the_peer_goes)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    struct end end;
    open_end(&world, &end);
    static uint8_t answer[1 << 20];
    struct sent messages[2];
    send_slice(&end, &messages[0], weir_slice_of(answer, sizeof(answer)));
    send_slice(&end, &messages[1], WEIR_SLICE("never"));
    turn(&world, 1);
    close_end(&world, &end);
    cr_assert(end.is_closed);
    cr_assert_eq(messages[0].done, 1);
    cr_assert_eq(messages[1].done, 1);
    net_world_done(&world);
}

Test(send, many_small_messages_are_all_written)
{
    struct net_world world;
    net_world_init(&world, 1000, 1 << 20);
    struct end end;
    open_end(&world, &end);
    enum { COUNT = 1000 };
    static struct sent messages[COUNT];
    static uint8_t bytes[COUNT];
    for (int i = 0; i < COUNT; i++) {
        bytes[i] = (uint8_t)i;
        send_slice(&end, &messages[i], weir_slice_of(&bytes[i], 1));
    }
    turn(&world, 1);
    uint8_t got[COUNT + 1];
    cr_assert_eq(take(&end, got, sizeof(got)), COUNT);
    cr_assert_eq(memcmp(got, bytes, COUNT), 0);
    close_end(&world, &end);
    net_world_done(&world);
}
