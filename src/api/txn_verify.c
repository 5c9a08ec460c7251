/* SPDX-License-Identifier: Apache-2.0 */
#include "txn_verify.h"

#include "weir/metadata/config_resolve.h"

bool weir_txn_verify_is_needed(const struct weir_call *call, enum weir_verify_mode mode)
{
    if (mode == WEIR_VERIFY_ADD)
        return true;
    struct weir_config_resolver resolver = weir_call_resolver(call);
    return weir_config_broker_bool(&resolver, "transaction.partition.verification.enable");
}

/* As the leader's broker tells what it heard from the coordinator. */
static enum weir_status told(const struct weir_txn_verify *verify, enum weir_status status)
{
    if (status == WEIR_PRODUCER_FENCED)
        return WEIR_INVALID_PRODUCER_EPOCH; /* what producers expect of Produce */
    if (status == WEIR_TRANSACTION_ABORTABLE && verify->mode == WEIR_VERIFY_OLD_ERRORS)
        return WEIR_INVALID_TXN_STATE;
    return status;
}

static bool are_all_ok(const struct weir_txn_verify *verify)
{
    for (size_t i = 0; i < verify->partition_count; i++) {
        if (verify->partitions[i].status != WEIR_OK)
            return false;
    }
    return true;
}

static bool has_time(const struct weir_txn_verify *verify)
{
    return weir_loop_now_ms(weir_call_loop(verify->call)) < verify->deadline_ms;
}

static bool has_concurrent(const struct weir_txn_verify *verify)
{
    for (size_t i = 0; i < verify->partition_count; i++) {
        if (verify->partitions[i].status == WEIR_CONCURRENT_TRANSACTIONS)
            return true;
    }
    return false;
}

static void ask(struct weir_txn_verify *verify);

static void on_timer(struct weir_timer *timer)
{
    ask(WEIR_CONTAINER_OF(timer, struct weir_txn_verify, timer));
}

/* False when there is no time for it. */
static bool try_again_later(struct weir_txn_verify *verify)
{
    struct weir_loop *loop = weir_call_loop(verify->call);
    struct weir_config_resolver resolver = weir_call_resolver(verify->call);
    int64_t now_ms = weir_loop_now_ms(loop);
    if (!verify->retries_concurrent || !has_time(verify))
        return false;
    verify->timer.fire = on_timer;
    return weir_loop_timer_set(loop, &verify->timer,
                               now_ms + weir_config_broker_i64(
                                            &resolver, "add.partitions.to.txn.retry.backoff.ms")) ==
           WEIR_OK;
}

static void answered(struct weir_call *call, void *argument)
{
    struct weir_txn_verify *verify = argument;
    enum weir_status status = verify->add.op.status;
    for (size_t i = 0; status != WEIR_OK && i < verify->partition_count; i++)
        verify->partitions[i].status = status;
    weir_txn_op_free(&verify->add.op);
    if (has_concurrent(verify) && try_again_later(verify))
        return;
    if (are_all_ok(verify) && !verify->is_current(verify->argument) && has_time(verify)) {
        ask(verify);
        return;
    }
    for (size_t i = 0; i < verify->partition_count; i++)
        verify->partitions[i].status = told(verify, verify->partitions[i].status);
    verify->then(call, verify->argument);
}

static void on_done(struct weir_txn_op *op)
{
    struct weir_txn_verify *verify = WEIR_CONTAINER_OF(op, struct weir_txn_verify, add.op);
    weir_call_resume(verify->call, answered, verify);
}

static void ask(struct weir_txn_verify *verify)
{
    verify->prepare(verify->argument);
    if (verify->partition_count == 0) {
        verify->then(verify->call, verify->argument);
        return;
    }
    verify->add =
        (struct weir_txn_add){.op = {.done = on_done},
                              .transactional_id = verify->transactional_id,
                              .producer_id = verify->producer_id,
                              .producer_epoch = verify->producer_epoch,
                              .verify_only = verify->mode != WEIR_VERIFY_ADD,
                              .client_transaction_version = verify->mode == WEIR_VERIFY_ADD ? 2 : 0,
                              .partitions = verify->partitions,
                              .partition_count = verify->partition_count};
    weir_txn_add(verify->call->api->options.txns, &verify->add);
}

void weir_txn_verify_start(struct weir_txn_verify *verify)
{
    struct weir_config_resolver resolver = weir_call_resolver(verify->call);
    int64_t wait_ms =
        weir_config_broker_i64(&resolver, "add.partitions.to.txn.retry.backoff.max.ms");
    int64_t request_ms = weir_config_broker_i64(&resolver, "request.timeout.ms");
    verify->deadline_ms = weir_loop_now_ms(weir_call_loop(verify->call)) +
                          (wait_ms < request_ms ? wait_ms : request_ms);
    ask(verify);
}
