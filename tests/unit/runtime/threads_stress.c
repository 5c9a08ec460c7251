/* SPDX-License-Identifier: Apache-2.0 */

/* Loops, mailboxes and task pools under many threads; made for ThreadSanitizer, hence its own main.
 *
 * Each of BALLS messages travels: loop -> task queue -> next loop -> ..., HOPS times.  The queues
 * count without atomics: two tasks of one queue at the same time would be a data race, and a wrong
 * sum. */

#include "weir/base/assert.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"
#include "weir/runtime/loop.h"
#include "weir/runtime/task_pool.h"

#include <semaphore.h>
#include <stdio.h>

enum { LOOPS = 3, QUEUES = 4, BALLS = 64, HOPS = 200 };

struct court {
    struct weir_loop *loops[LOOPS];
    struct weir_task_pool *pool;
    struct weir_task_queue *queues[QUEUES];
    long queue_runs[QUEUES]; /* written by the queue's tasks only */
    long loop_runs[LOOPS];   /* written by the loop only */
    sem_t done;
};

struct ball {
    struct weir_message message;
    struct weir_task task;
    struct weir_timer timer;
    struct court *court;
    unsigned hops;
    unsigned at; /* picks loop and queue */
};

static void on_task(struct weir_task *task)
{
    struct ball *ball = WEIR_CONTAINER_OF(task, struct ball, task);
    ball->court->queue_runs[ball->at % QUEUES]++;
    ball->at += 7;
    weir_loop_post(ball->court->loops[ball->at % LOOPS], &ball->message);
}

static void on_timer(struct weir_timer *timer)
{
    struct ball *ball = WEIR_CONTAINER_OF(timer, struct ball, timer);
    weir_task_queue_submit(ball->court->queues[ball->at % QUEUES], &ball->task);
}

static void on_message(struct weir_message *message)
{
    struct ball *ball = WEIR_CONTAINER_OF(message, struct ball, message);
    struct court *court = ball->court;
    struct weir_loop *loop = court->loops[ball->at % LOOPS];
    WEIR_ASSERT(weir_loop_current() == loop);
    court->loop_runs[ball->at % LOOPS]++;
    if (++ball->hops == HOPS) {
        sem_post(&court->done);
    } else if (ball->hops % 16 == 0) {
        enum weir_status status =
            weir_loop_timer_set(loop, &ball->timer, weir_loop_now_ms(loop) + 1);
        WEIR_ASSERT(status == WEIR_OK);
    } else {
        weir_task_queue_submit(court->queues[ball->at % QUEUES], &ball->task);
    }
}

static void open_court(struct court *court)
{
    sem_init(&court->done, 0, 0);
    enum weir_status status = weir_task_pool_new(weir_env_posix(), 3, &court->pool, NULL);
    WEIR_ASSERT(status == WEIR_OK);
    for (int i = 0; i < LOOPS; i++) {
        status = weir_loop_new(weir_env_posix(), "stress", &court->loops[i], NULL);
        WEIR_ASSERT(status == WEIR_OK);
    }
    for (int i = 0; i < QUEUES; i++) {
        status = weir_task_queue_new(court->pool, &court->queues[i]);
        WEIR_ASSERT(status == WEIR_OK);
    }
    for (int i = 0; i < LOOPS; i++) {
        status = weir_loop_start(court->loops[i], NULL);
        WEIR_ASSERT(status == WEIR_OK);
    }
}

int main(void)
{
    struct court court = {0};
    open_court(&court);
    struct ball *balls = weir_calloc(BALLS, sizeof(*balls));
    WEIR_ASSERT(balls != NULL);
    for (unsigned i = 0; i < BALLS; i++) {
        balls[i].message.run = on_message;
        balls[i].task.run = on_task;
        balls[i].timer.fire = on_timer;
        balls[i].court = &court;
        balls[i].at = i;
        weir_loop_post(court.loops[i % LOOPS], &balls[i].message);
    }
    for (int i = 0; i < BALLS; i++)
        sem_wait(&court.done);
    for (int i = 0; i < QUEUES; i++)
        weir_task_queue_free(court.queues[i]);
    weir_task_pool_free(court.pool);
    long loop_runs = 0;
    for (int i = 0; i < LOOPS; i++) {
        weir_loop_stop(court.loops[i]);
        weir_loop_free(court.loops[i]);
        loop_runs += court.loop_runs[i];
    }
    long queue_runs = 0;
    for (int i = 0; i < QUEUES; i++)
        queue_runs += court.queue_runs[i];
    weir_free(balls);
    printf("loop runs %ld, queue runs %ld\n", loop_runs, queue_runs);
    return loop_runs == (long)BALLS * HOPS && queue_runs == (long)BALLS * (HOPS - 1) ? 0 : 1;
}
