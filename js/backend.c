#include "js/backend.h"

#include "base/log.h"
#include "base/secret.h"

#include <openssl/evp.h>
#include <string.h>

#define DEV_NONCE_HIGH 60000

enum kw_err js_backend_init(
	struct js_backend *backend, struct ks_store *store, uint64_t repeat_window_ms)
{
	memset(backend, 0, sizeof(*backend));
	backend->store = store;
	backend->repeat_window_ms = repeat_window_ms;
	backend->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	backend->digest = EVP_MD_CTX_new();
	if (backend->sha256 == NULL || backend->digest == NULL) {
		js_backend_finish(backend);
		return KW_E_CRYPTO;
	}
	return KW_OK;
}

void js_backend_finish(struct js_backend *backend)
{
	EVP_MD_CTX_free(backend->digest);
	EVP_MD_free(backend->sha256);
	backend->digest = NULL;
	backend->sha256 = NULL;
}

static enum kw_err run_procedure(struct js_backend *backend, struct ks_txn *txn,
	struct js_attempt *attempt, struct ipc_backend_ans *ans)
{
	switch (attempt->request->procedure) {
	case IPC_PROCEDURE_JOIN:
	case IPC_PROCEDURE_REJOIN:
		return js_join_process(backend, txn, attempt, ans);
	case IPC_PROCEDURE_APP_S_KEY:
		return js_app_s_key_process(backend, txn, attempt, ans);
	case IPC_PROCEDURE_HOME_NS:
		return js_home_ns_process(backend, txn, attempt, ans);
	default:
		return KW_E_UNSUPPORTED;
	}
}

static enum kw_err process(struct js_backend *backend, struct ks_txn *txn,
	struct js_attempt *attempt, struct ipc_backend_ans *ans)
{
	enum kw_err err = js_attempt_sender(backend->store, &backend->probe, attempt);

	if (err == KW_OK && attempt->request->procedure == IPC_PROCEDURE_ERROR_NOTIF) {
		return KW_OK;
	}
	if (err == KW_OK) {
		err = js_attempt_receiver(txn, attempt);
	}
	if (err == KW_OK) {
		err = js_attempt_fields(attempt);
	}
	if (err != KW_OK) {
		js_attempt_device_for_log(txn, attempt);
		return err;
	}
	return run_procedure(backend, txn, attempt, ans);
}

static enum ks_procedure procedure_of(const struct js_attempt *attempt)
{
	switch (attempt->request->procedure) {
	case IPC_PROCEDURE_REJOIN:
		return attempt->type == LW_JOIN_REQ_REJOIN_1   ? KS_PROCEDURE_REJOIN_1
		       : attempt->type == LW_JOIN_REQ_REJOIN_2 ? KS_PROCEDURE_REJOIN_2
							       : KS_PROCEDURE_REJOIN_0;
	case IPC_PROCEDURE_APP_S_KEY:
		return KS_PROCEDURE_APP_S_KEY;
	case IPC_PROCEDURE_HOME_NS:
		return KS_PROCEDURE_HOME_NS;
	default:
		return KS_PROCEDURE_JOIN;
	}
}

/* The last nonce of the kind that the request has. */
static void note_last(const struct js_attempt *attempt, struct ks_event *event)
{
	const struct ks_state *state = &attempt->state;

	if (event->procedure != KS_PROCEDURE_JOIN) {
		event->has_last = attempt->last_rj_count >= 0;
		event->last_dev_nonce = (uint16_t)(event->has_last ? attempt->last_rj_count : 0);
	} else if (attempt->state_known && state->has_dev_nonce) {
		event->has_last = true;
		event->last_dev_nonce = lw_version_counts_dev_nonce(attempt->device.version)
						? state->max_dev_nonce
						: state->last_dev_nonce;
	}
}

/* The numbers that the join log's words need; the MIC decides whether a frame may be quoted. */
static void note_event(struct js_backend *backend, const struct js_attempt *attempt,
	enum ks_event_kind kind, enum kw_err err)
{
	const struct ipc_backend_req *request = attempt->request;
	struct ks_event event = {
		.time_ms = attempt->now_ms,
		.id = attempt->device.id,
		.kind = kind,
		.procedure = procedure_of(attempt),
		.err = err,
		.registered = attempt->device.version,
		.mac_version = lw_version_valid(request->mac_version)
				       ? (enum lw_version)request->mac_version
				       : LW_VERSION_NONE,
		.opt_neg = (request->dl_settings & LW_DL_SETTINGS_OPT_NEG) != 0,
		.dev_nonce = attempt->nonce,
		.repeats = 1,
		.ns_peer = attempt->peer->id,
	};

	memcpy(event.net_id.octets, request->sender_net_id, LW_NET_ID_SIZE);
	note_last(attempt, &event);
	if (kind != KS_EVENT_REFUSED) {
		event.join_nonce = attempt->session.join_nonce;
	}
	js_refusals_add(&backend->refusals, &event);
}

static bool is_join(const struct js_attempt *attempt)
{
	return attempt->request->procedure == IPC_PROCEDURE_JOIN ||
	       attempt->request->procedure == IPC_PROCEDURE_REJOIN;
}

static void note(struct js_backend *backend, const struct js_attempt *attempt, enum kw_err err)
{
	if (!attempt->device_known || attempt->peer == NULL) {
		return;
	}
	if (err != KW_OK) {
		note_event(backend, attempt, KS_EVENT_REFUSED, err);
	} else if (!is_join(attempt)) {
		note_event(backend, attempt, KS_EVENT_SERVED, err);
	} else if (attempt->repeated) {
		note_event(backend, attempt, KS_EVENT_REPEATED, err);
	}
}

static void count(struct js_backend *backend, const struct js_attempt *attempt, enum kw_err err)
{
	struct js_counters *counters = &backend->counters;

	if (err != KW_OK) {
		counters->refused++;
		counters->unknown_devices += err == KW_E_NO_DEVICE;
		counters->mic_failures += err == KW_E_MIC;
		counters->missing_keks += err == KW_E_NO_KEK;
		return;
	}
	if (!is_join(attempt)) {
		return;
	}
	counters->accepted += !attempt->repeated;
	counters->repeated += attempt->repeated;
	counters->dev_nonces_high += !attempt->repeated && attempt->type == LW_JOIN_REQ_JOIN &&
				     attempt->nonce >= DEV_NONCE_HIGH &&
				     lw_version_counts_dev_nonce(attempt->device.version);
}

void js_backend_kek_missing(const struct js_attempt *attempt, const struct ks_peer *wanting)
{
	const char *help = "keyward kek add --as NAME --kek-label L --kek-file F";

	if (wanting == NULL) {
		help = attempt->device.policy.as_id[0] == '\0'
			       ? "keyward device set DEVEUI --as-id ID"
			       : "keyward as add NAME --as-id ID --kek-label L --kek-file F";
	} else if (wanting->kind == KS_PEER_NS) {
		help = "keyward kek add --ns NAME --kek-label L --kek-file F";
	}
	kw_log(KW_LOG_ERROR, "join", "refused: the key encryption key is missing",
		KW_EUI("dev_eui", attempt->device.id.dev_eui.octets),
		KW_STR("of", wanting != NULL ? wanting->name : attempt->device.policy.as_id),
		KW_STR("help", help));
}

const struct ks_peer *js_backend_answer(struct js_backend *backend, struct ks_txn *txn,
	const struct ipc_backend_req *request, struct ipc_backend_ans *ans)
{
	struct js_attempt attempt;
	enum kw_err err;

	memset(&attempt, 0, sizeof(attempt));
	memset(ans, 0, sizeof(*ans));
	attempt.request = request;
	attempt.type = LW_JOIN_REQ_JOIN;
	attempt.last_rj_count = -1;
	attempt.now_ms = kw_now_ms(ks_store_env(backend->store));
	err = process(backend, txn, &attempt, ans);
	if (err != KW_OK) {
		kw_wipe(ans, sizeof(*ans));
	}
	count(backend, &attempt, err);
	note(backend, &attempt, err);
	ans->number = request->number;
	ans->err = err;
	if (attempt.peer != NULL) {
		memcpy(ans->peer, attempt.peer->name, sizeof(ans->peer));
	}
	return attempt.peer;
}

void js_backend_void(struct js_backend *backend, struct ipc_backend_ans *ans, enum kw_err err)
{
	struct ipc_backend_ans kept = {
		.number = ans->number, .err = err, .answer_url_length = ans->answer_url_length};
	const bool was_join = ans->phy_length != 0;

	if (ans->err != KW_OK) {
		return;
	}
	memcpy(kept.peer, ans->peer, sizeof(kept.peer));
	kw_wipe(ans, sizeof(*ans));
	*ans = kept;
	backend->counters.accepted -= was_join && backend->counters.accepted > 0;
	backend->counters.refused++;
}
