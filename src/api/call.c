/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the server's request and a handler's call: decoding by the API's codec, one image for the
 * whole call, the way back to the loop, and the answer.  A call lives in its request's arena.
 */
#include "api_int.h"

#include "weir/base/assert.h"
#include "weir/protocol/api_keys.h"
#include "weir/server/request.h"

/* ---- Ending ---- */

static void forget(struct weir_call *call)
{
    weir_image_unref(call->image);
    call->image = NULL;
    call->request->cancel = NULL;
}

bool weir_call_try_respond(struct weir_call *call, const void *response)
{
    const struct weir_api_spec *api = weir_api_find(call->api_key);
    struct weir_writer *writer = weir_request_begin_response(call->request);
    if (writer == NULL)
        return false;
    api->response->write(writer, call->version, response);
    enum weir_status status = weir_writer_status(writer);
    if (status != WEIR_OK) {
        WEIR_LOG_ERROR(call->api->options.log, "response_not_encoded", WEIR_STR("api", api->name),
                       WEIR_I64("version", call->version),
                       WEIR_STR("status", weir_status_name(status)));
        return false;
    }
    struct weir_request *request = call->request;
    const struct weir_image *image = call->image;
    request->cancel = NULL;
    if (weir_request_send(request) != WEIR_OK)
        return false;
    weir_image_unref(image); /* the call is gone with its request */
    return true;
}

void weir_call_respond(struct weir_call *call, const void *response)
{
    if (!weir_call_try_respond(call, response))
        weir_call_close(call);
}

void weir_call_respond_nothing(struct weir_call *call)
{
    struct weir_request *request = call->request;
    forget(call);
    weir_request_done_without_response(request);
}

void weir_call_close(struct weir_call *call)
{
    struct weir_request *request = call->request;
    forget(call);
    if (request->is_cancelled)
        weir_request_done_without_response(
            request); /* the client is gone: nobody is refused anything */
    else
        weir_request_close(request, "the request cannot be answered");
}

/* ---- Waiting ---- */

static void on_resume(struct weir_request *request, void *argument)
{
    struct weir_call *call = argument;
    void (*resume)(struct weir_call *, void *) = call->resume;
    (void)request;
    call->resume = NULL;
    resume(call, call->resume_argument);
}

void weir_call_resume(struct weir_call *call, void (*run)(struct weir_call *call, void *argument),
                      void *argument)
{
    WEIR_ASSERT(call->resume == NULL);
    call->resume = run;
    call->resume_argument = argument;
    weir_request_post(call->request, on_resume, call);
}

static void on_cancel(struct weir_request *request)
{
    struct weir_call *call = request->user;
    if (call->cancel != NULL)
        call->cancel(call, call->cancel_argument);
}

void weir_call_on_cancel(struct weir_call *call,
                         void (*cancel)(struct weir_call *call, void *argument), void *argument)
{
    call->cancel = cancel;
    call->cancel_argument = argument;
    call->request->cancel = cancel == NULL ? NULL : on_cancel;
}

/* ---- The controller ---- */

struct control {
    struct weir_call *call;
    void (*then)(struct weir_call *call, struct weir_controller_op *op);
};

static void control_on_loop(struct weir_call *call, void *argument)
{
    struct weir_controller_op *op = argument;
    struct control *control = op->context;
    control->then(call, op);
}

static void control_done(struct weir_controller_op *op)
{
    struct control *control = op->context;
    weir_call_resume(control->call, control_on_loop, op);
}

void weir_call_control(struct weir_call *call, struct weir_controller_op *op,
                       void (*then)(struct weir_call *call, struct weir_controller_op *op))
{
    struct control *control = WEIR_CALL_ALLOC(call, struct control, 1);
    if (control == NULL) {
        op->result.status = WEIR_NO_MEMORY;
        then(call, op);
        return;
    }
    *control = (struct control){.call = call, .then = then};
    op->arena = call->arena;
    op->context = control;
    op->done = control_done;
    weir_controller_submit(call->api->options.controller, op);
}

/* ---- Facts ---- */

void weir_call_refresh_image(struct weir_call *call)
{
    weir_image_unref(call->image);
    call->image = weir_image_ref_current(call->api->options.publisher);
}

struct weir_loop *weir_call_loop(const struct weir_call *call)
{
    return weir_request_loop(call->request);
}

struct weir_slice weir_call_client_id(const struct weir_call *call)
{
    return call->request->header.client_id;
}

struct weir_slice weir_call_peer_host(const struct weir_call *call)
{
    return weir_slice_str(call->request->session->peer.host);
}

int64_t weir_call_now_ms(const struct weir_call *call)
{
    return weir_env_wall_ms(call->api->options.env);
}

struct weir_config_resolver weir_call_resolver(const struct weir_call *call)
{
    return (struct weir_config_resolver){.image = call->image,
                                         .statics = call->api->options.statics,
                                         .broker_id = call->api->options.node_id};
}

static const struct weir_api_listener *listener_of(const struct weir_call *call)
{
    WEIR_ASSERT(call->request->session->listener < call->api->options.listener_count);
    return &call->api->options.listeners[call->request->session->listener];
}

struct weir_slice weir_call_listener_name(const struct weir_call *call)
{
    return listener_of(call)->name;
}

void weir_call_endpoint(const struct weir_call *call, struct weir_slice *out_host,
                        int32_t *out_port)
{
    const struct weir_api_listener *listener = listener_of(call);
    *out_host = weir_slice_is_null(listener->advertised_host)
                    ? weir_slice_str(call->request->session->local.host)
                    : listener->advertised_host;
    *out_port = listener->port;
}

/* ---- Beginning ---- */

/* KIP-511: an ApiVersions request of the future is answered in version 0, with the versions that
 * would do. */
static void answer_unknown_version(struct weir_call *call)
{
    weir_api_refuse_api_versions(call);
}

void weir_call_begin(struct weir_request *request)
{
    struct weir_api *api = request->context;
    const struct weir_api_spec *spec = weir_api_find(request->header.api_key);
    weir_call_handler *handler = weir_api_handler(request->header.api_key);
    WEIR_ASSERT(spec != NULL &&
                handler != NULL); /* the dispatch table has only rows of the handler table */
    struct weir_call *call = weir_arena_calloc(request->arena, 1, sizeof(*call));
    void *body = weir_arena_calloc(request->arena, 1, spec->request->size);
    if (call == NULL || body == NULL) {
        weir_request_close(request, "out of memory");
        return;
    }
    request->user = call;
    *call = (struct weir_call){.api = api,
                               .request = request,
                               .arena = request->arena,
                               .image = weir_image_ref_current(api->options.publisher),
                               .api_key = request->header.api_key,
                               .version = request->version,
                               .body = body};
    if (request->has_unknown_version) {
        answer_unknown_version(call);
        return;
    }
    struct weir_reader reader;
    weir_reader_init(&reader, request->body, request->arena);
    spec->request->read(&reader, request->version, body);
    if (weir_reader_status(&reader) != WEIR_OK) {
        forget(call);
        weir_request_close(request, "the request's body cannot be decoded");
        return;
    }
    handler(call);
}
