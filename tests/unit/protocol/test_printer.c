/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/protocol/printer.h"

#include "weir/base/memory.h"
#include "weir/protocol/record_types.h"
#include "weir/protocol/records/leader_change_message.h"
#include "weir/protocol/records/offset_commit_value.h"
#include "weir/protocol/records/partition_record.h"

#include <criterion/criterion.h>

static void expect_text(const struct weir_buf *out, const char *expected)
{
    cr_expect(weir_slice_is(weir_buf_slice(out), expected), "is %.*s",
              WEIR_SLICE_ARGS(weir_buf_slice(out)));
}

Test(printer, fields_come_in_schema_order_with_kafkas_names)
{
    struct weir_buf out = {0};
    struct weir_printer printer = {.out = &out};
    struct weir_offset_commit_value value = {
        .offset = 12, .leader_epoch = 3, .metadata = WEIR_SLICE("a\n"), .commit_timestamp = 1000};
    weir_offset_commit_value_codec.print(&printer, 4, &value);
    expect_text(&out, "{offset: 12, leaderEpoch: 3, metadata: \"a\\n\", commitTimestamp: 1000, "
                      "topicId: AAAAAAAAAAAAAAAAAAAAAA}");
    weir_buf_done(&out);
}

Test(printer, what_a_version_lacks_is_not_printed)
{
    struct weir_buf out = {0};
    struct weir_printer printer = {.out = &out};
    struct weir_offset_commit_value value = {.offset = 1, .metadata = WEIR_SLICE("")};
    weir_offset_commit_value_codec.print(&printer, 1, &value);
    expect_text(&out, "{offset: 1, metadata: \"\", commitTimestamp: 0, expireTimestamp: 0}");
    weir_buf_done(&out);
}

Test(printer, arrays_of_structs_and_null_arrays)
{
    struct weir_buf out = {0};
    struct weir_printer printer = {.out = &out};
    struct weir_leader_change_message_voter voters[2] = {{.voter_id = 1}, {.voter_id = 2}};
    struct weir_leader_change_message value = {
        .leader_id = 1, .voters = {voters, 2}, .granting_voters = {NULL, -1}};
    weir_leader_change_message_codec.print(&printer, 0, &value);
    expect_text(&out, "{Version: 0, LeaderId: 1, Voters: [{VoterId: 1}, {VoterId: 2}], "
                      "GrantingVoters: null}");
    weir_buf_done(&out);
}

Test(printer, a_printer_goes_on_behind_a_value)
{
    struct weir_buf out = {0};
    struct weir_printer printer = {.out = &out};
    weir_print_begin(&printer, WEIR_PRINT_ARRAY);
    weir_print_i32_array(&printer, (struct weir_i32_array){(int32_t[]){1, -2}, 2});
    weir_print_bool(&printer, true);
    weir_print_f64(&printer, 0.5);
    weir_print_null(&printer);
    weir_print_end(&printer, WEIR_PRINT_ARRAY);
    expect_text(&out, "[[1, -2], true, 0.5, null]");
    weir_buf_done(&out);
}

Test(printer, unknown_tags_are_printed)
{
    struct weir_buf out = {0};
    struct weir_printer printer = {.out = &out};
    struct weir_tag tag = {.tag = 7, .bytes = WEIR_SLICE("\x01")};
    struct weir_tags tags = {&tag, 1};
    weir_print_begin(&printer, WEIR_PRINT_STRUCT);
    weir_print_tags(&printer, &tags);
    weir_print_end(&printer, WEIR_PRINT_STRUCT);
    expect_text(&out, "{tag 7: \"\\x01\"}");
    weir_buf_done(&out);
}

Test(printer, quoted_text_is_safe_for_a_terminal)
{
    static const struct {
        struct weir_slice text;
        const char *printed;
    } cases[] = {
        {WEIR_SLICE("plain"), "\"plain\""},
        {WEIR_SLICE("\"\\\r\t"), "\"\\\"\\\\\\r\\t\""},
        {WEIR_SLICE("\x1b[2J\x7f"), "\"\\x1b[2J\\x7f\""},
        {WEIR_SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
         "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {WEIR_SLICE("\xc2\x9b"), "\"\\xc2\\x9b\""},          /* a control character of C1 */
        {WEIR_SLICE("\xc0\xaf"), "\"\\xc0\\xaf\""},          /* overlong */
        {WEIR_SLICE("\xe0\x80\xaf"), "\"\\xe0\\x80\\xaf\""}, /* overlong */
        {WEIR_SLICE("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\""}, /* a surrogate */
        {WEIR_SLICE("\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\""},
        {WEIR_SLICE("\xe2\x82"), "\"\\xe2\\x82\""}, /* ends early */
        {{NULL, 0}, "null"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_buf out = {0};
        weir_print_quoted(&out, cases[i].text, 0);
        expect_text(&out, cases[i].printed);
        weir_buf_done(&out);
    }
}

Test(printer, long_text_is_cut_and_its_size_said)
{
    struct weir_buf out = {0};
    weir_print_quoted(&out, WEIR_SLICE("0123456789"), 4);
    expect_text(&out, "\"0123\"... (10 bytes)");
    weir_buf_done(&out);
}

static bool hide(void *context, struct weir_printer *printer, const char *name,
                 struct weir_slice bytes)
{
    (void)context;
    (void)bytes;
    if (strcmp(name, "Salt") != 0)
        return false;
    weir_print_word(printer, "hidden");
    return true;
}

Test(printer, a_hook_prints_bytes_its_own_way)
{
    struct weir_buf out = {0};
    struct weir_printer printer = {.out = &out, .bytes_hook = hide};
    weir_print_begin(&printer, WEIR_PRINT_STRUCT);
    weir_print_name(&printer, "Salt");
    weir_print_bytes(&printer, WEIR_SLICE("x"));
    weir_print_name(&printer, "Other");
    weir_print_bytes(&printer, WEIR_SLICE("y"));
    weir_print_end(&printer, WEIR_PRINT_STRUCT);
    expect_text(&out, "{Salt: hidden, Other: \"y\"}");
    weir_buf_done(&out);
}

/* The defaults of every record type in every version, so that each generated function has run. */
Test(printer, every_record_type_prints)
{
    for (size_t i = 0; i < weir_record_type_count(); i++) {
        const struct weir_message_codec *codec = weir_record_type_at(i)->value;
        if (codec == NULL)
            continue;
        void *message = weir_calloc(1, codec->size);
        cr_assert(message != NULL);
        codec->init(message);
        for (int16_t version = codec->version_min; version <= codec->version_max; version++) {
            struct weir_buf out = {0};
            struct weir_printer printer = {.out = &out};
            codec->print(&printer, version, message);
            cr_expect(out.size >= 2 && out.data[0] == '{' && out.data[out.size - 1] == '}', "%s",
                      codec->name);
            weir_buf_done(&out);
        }
        weir_free(message);
    }
}
