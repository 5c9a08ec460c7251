/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/runtime/task_pool.h"

#include "weir/base/limits.h"

#include <criterion/criterion.h>
#include <semaphore.h>
#include <stdatomic.h>

struct noted_task {
    struct weir_task task;
    char *text; /* gets a letter appended */
    char letter;
};

static void note_letter(struct weir_task *task)
{
    struct noted_task *noted = WEIR_CONTAINER_OF(task, struct noted_task, task);
    size_t size = strlen(noted->text);
    noted->text[size] = noted->letter;
}

static struct noted_task noted(char *text, char letter)
{
    return (struct noted_task){.task = {.run = note_letter}, .text = text, .letter = letter};
}

Test(task_pool, a_pool_without_threads_runs_one_task_a_turn)
{
    struct weir_task_pool *pool = NULL;
    cr_assert_eq(weir_task_pool_new(weir_env_posix(), 0, &pool, NULL), WEIR_OK);
    char text[8] = "";
    struct noted_task a = noted(text, 'a');
    struct noted_task b = noted(text, 'b');
    weir_task_pool_submit(pool, &a.task);
    weir_task_pool_submit(pool, &b.task);
    cr_assert(weir_task_pool_turn(pool));
    cr_assert_str_eq(text, "a");
    cr_assert(weir_task_pool_turn(pool));
    cr_assert_not(weir_task_pool_turn(pool));
    cr_assert_str_eq(text, "ab");
    weir_task_pool_free(pool);
}

Test(task_pool, delayed_tasks_run_in_deadline_order_once_due)
{
    struct weir_task_pool *pool = NULL;
    cr_assert_eq(weir_task_pool_new(weir_env_posix(), 0, &pool, NULL), WEIR_OK);
    char text[8] = "";
    int64_t now_ms = weir_env_monotonic_ms(weir_env_posix());
    struct noted_task late = noted(text, 'z');
    struct noted_task second = noted(text, 'b');
    struct noted_task first = noted(text, 'a');
    struct noted_task third = noted(text, 'c');
    weir_task_pool_submit_at(pool, &late.task, now_ms + 1000000);
    weir_task_pool_submit_at(pool, &second.task, now_ms - 5);
    weir_task_pool_submit_at(pool, &first.task, now_ms - 10);
    weir_task_pool_submit_at(pool, &third.task, now_ms - 5);
    while (weir_task_pool_turn(pool))
        continue;
    cr_assert_str_eq(text, "abc");
    weir_task_pool_free(pool);
    cr_assert_str_eq(text, "abc");
    cr_assert_not(weir_list_is_linked(&late.task.node));
}

Test(task_pool, cancelled_tasks_do_not_run_wherever_they_wait)
{
    struct weir_task_pool *pool = NULL;
    cr_assert_eq(weir_task_pool_new(weir_env_posix(), 0, &pool, NULL), WEIR_OK);
    struct weir_task_queue *queue = NULL;
    cr_assert_eq(weir_task_queue_new(pool, &queue), WEIR_OK);
    char text[8] = "";
    struct noted_task plain = noted(text, 'a');
    struct noted_task delayed = noted(text, 'b');
    struct noted_task queued = noted(text, 'c');
    struct noted_task after = noted(text, 'd');
    weir_task_pool_submit(pool, &plain.task);
    weir_task_pool_submit_at(pool, &delayed.task, 0);
    weir_task_queue_submit(queue, &queued.task);
    cr_assert(weir_task_pool_cancel(pool, &plain.task));
    cr_assert(weir_task_pool_cancel(pool, &delayed.task));
    cr_assert(weir_task_pool_cancel(pool, &queued.task));
    cr_assert_not(weir_task_pool_cancel(pool, &queued.task));
    cr_assert_not(weir_task_pool_turn(pool));
    weir_task_queue_submit(queue, &after.task);
    cr_assert(weir_task_pool_turn(pool));
    cr_assert_not(weir_task_pool_cancel(pool, &after.task));
    cr_assert_str_eq(text, "d");
    weir_task_queue_free(queue);
    weir_task_pool_free(pool);
}

Test(task_pool, queues_and_plain_tasks_take_turns)
{
    struct weir_task_pool *pool = NULL;
    cr_assert_eq(weir_task_pool_new(weir_env_posix(), 0, &pool, NULL), WEIR_OK);
    struct weir_task_queue *queue = NULL;
    cr_assert_eq(weir_task_queue_new(pool, &queue), WEIR_OK);
    char text[8] = "";
    struct noted_task tasks[4];
    for (int i = 0; i < 4; i++) {
        tasks[i] = noted(text, (char)(i < 2 ? 'a' + i : '0' + i));
        if (i < 2)
            weir_task_pool_submit(pool, &tasks[i].task);
        else
            weir_task_queue_submit(queue, &tasks[i].task);
    }
    while (weir_task_pool_turn(pool))
        continue;
    cr_assert_str_eq(text, "a2b3");
    weir_task_queue_free(queue);
    weir_task_pool_free(pool);
}

/* Two tasks that can end only when both run. */
struct meeting_task {
    struct weir_task task;
    sem_t *mine;
    sem_t *other;
    sem_t *done;
};

static void meet(struct weir_task *task)
{
    struct meeting_task *meeting = WEIR_CONTAINER_OF(task, struct meeting_task, task);
    sem_post(meeting->mine);
    sem_wait(meeting->other);
    sem_post(meeting->done);
}

Test(task_pool, different_queues_run_at_the_same_time)
{
    struct weir_task_pool *pool = NULL;
    cr_assert_eq(weir_task_pool_new(weir_env_posix(), 2, &pool, NULL), WEIR_OK);
    struct weir_task_queue *queues[2] = {0};
    sem_t signals[2];
    sem_t done;
    sem_init(&done, 0, 0);
    struct meeting_task tasks[2];
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(weir_task_queue_new(pool, &queues[i]), WEIR_OK);
        sem_init(&signals[i], 0, 0);
    }
    for (int i = 0; i < 2; i++) {
        tasks[i] = (struct meeting_task){{.run = meet}, &signals[i], &signals[1 - i], &done};
        weir_task_queue_submit(queues[i], &tasks[i].task);
    }
    for (int i = 0; i < 2; i++)
        sem_wait(&done);
    for (int i = 0; i < 2; i++)
        weir_task_queue_free(queues[i]);
    weir_task_pool_free(pool);
}

struct counted_task {
    struct weir_task task;
    _Atomic int *count;
};

static void count_one(struct weir_task *task)
{
    struct counted_task *counted = WEIR_CONTAINER_OF(task, struct counted_task, task);
    atomic_fetch_add(counted->count, 1);
}

Test(task_pool, free_runs_all_that_was_submitted)
{
    struct weir_task_pool *pool = NULL;
    cr_assert_eq(weir_task_pool_new(weir_env_posix(), 3, &pool, NULL), WEIR_OK);
    _Atomic int count = 0;
    enum { TASKS = 500 };
    static struct counted_task tasks[TASKS];
    for (int i = 0; i < TASKS; i++) {
        tasks[i] = (struct counted_task){{.run = count_one}, &count};
        weir_task_pool_submit(pool, &tasks[i].task);
    }
    weir_task_pool_free(pool);
    cr_assert_eq(atomic_load(&count), TASKS);
    weir_task_pool_free(NULL);
}
