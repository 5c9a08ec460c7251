/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The one place where the current image changes hands.
 *
 * P1  generation rises with every publish, and only after the new image is in place; a reader that
 * sees the old generation may use the old image, which is what "read once per request" means. P2
 * The lock is held for a pointer and a count, never while listeners run.
 */

#include "image_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/runtime/lock.h"

struct weir_image_publisher {
    struct weir_lock lock;
    const struct weir_image *current; /* under lock */
    uint64_t generation;              /* atomic; written under lock */
    struct weir_list listeners;
};

enum weir_status weir_image_publisher_new(struct weir_image_publisher **out)
{
    struct weir_image_publisher *publisher = weir_calloc(1, sizeof(*publisher));
    struct weir_image *empty = weir_image_new_empty();
    if (publisher == NULL || empty == NULL) {
        weir_free(publisher);
        weir_image_unref(empty);
        return WEIR_NO_MEMORY;
    }
    weir_lock_init(&publisher->lock, WEIR_LOCK_RANK_IMAGE);
    publisher->current = empty;
    publisher->generation = 1;
    weir_list_init(&publisher->listeners);
    *out = publisher;
    return WEIR_OK;
}

void weir_image_publisher_free(struct weir_image_publisher *publisher)
{
    if (publisher == NULL)
        return;
    weir_image_unref(publisher->current);
    weir_lock_done(&publisher->lock);
    weir_free(publisher);
}

void weir_image_publisher_listen(struct weir_image_publisher *publisher,
                                 struct weir_image_listener *listener)
{
    weir_list_push_back(&publisher->listeners, &listener->node);
}

static const struct weir_image *ref_with_generation(struct weir_image_publisher *publisher,
                                                    uint64_t *out_generation)
{
    weir_lock_take(&publisher->lock);
    const struct weir_image *image = weir_image_ref(publisher->current);
    *out_generation = publisher->generation;
    weir_lock_release(&publisher->lock);
    return image;
}

const struct weir_image *weir_image_ref_current(struct weir_image_publisher *publisher)
{
    uint64_t generation;
    return ref_with_generation(publisher, &generation);
}

void weir_image_reader_init(struct weir_image_reader *reader,
                            struct weir_image_publisher *publisher)
{
    *reader = (struct weir_image_reader){.publisher = publisher};
}

void weir_image_reader_done(struct weir_image_reader *reader)
{
    weir_image_unref(reader->image);
    *reader = (struct weir_image_reader){0};
}

const struct weir_image *weir_image_reader_current(struct weir_image_reader *reader)
{
    /* Acquire pairs with the release in publish(): whoever sees a generation sees all that was
     * published before. */
    uint64_t generation = __atomic_load_n(&reader->publisher->generation, __ATOMIC_ACQUIRE);
    if (reader->image == NULL || reader->generation != generation) {
        weir_image_unref(reader->image);
        reader->image = ref_with_generation(reader->publisher, &reader->generation);
    }
    return reader->image;
}

void weir_image_publish(struct weir_image_publisher *publisher, const struct weir_image *image,
                        const struct weir_image_delta *delta)
{
    weir_lock_take(&publisher->lock);
    const struct weir_image *before = publisher->current;
    publisher->current = image;
    __atomic_store_n(&publisher->generation, publisher->generation + 1, __ATOMIC_RELEASE);
    weir_lock_release(&publisher->lock);
    WEIR_LIST_FOREACH(node, &publisher->listeners) {
        struct weir_image_listener *listener =
            WEIR_LIST_ENTRY(node, struct weir_image_listener, node);
        listener->published(listener, before, image, delta);
    }
    weir_image_unref(before);
}
