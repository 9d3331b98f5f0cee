#include "js/backend.h"

#include "base/log_gate.h"
#include "base/secret.h"

#include <openssl/evp.h>
#include <string.h>

#define DEV_NONCE_HIGH 60000

enum kw_err js_backend_init(
	struct js_backend *backend, struct ks_store *store, uint64_t repeat_window_ms)
{
	enum kw_err err;

	memset(backend, 0, sizeof(*backend));
	backend->store = store;
	backend->repeat_window_ms = repeat_window_ms;
	backend->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	backend->digest = EVP_MD_CTX_new();
	if (backend->sha256 == NULL || backend->digest == NULL) {
		js_backend_finish(backend);
		return KW_E_CRYPTO;
	}
	err = js_suspects_init(&backend->suspects, ks_store_env(store));
	if (err != KW_OK) {
		js_backend_finish(backend);
	}
	return err;
}

void js_backend_finish(struct js_backend *backend)
{
	js_suspects_finish(&backend->suspects);
	js_rates_finish(&backend->rates);
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

/* Of whom nobody listens any more: the front has given up, or will have. */
static bool is_late(const struct js_backend *backend, const struct ipc_backend_req *request)
{
	const uint32_t now_ms = (uint32_t)(kw_mono_us(ks_store_env(backend->store)) / 1000);
	const uint32_t age_ms = now_ms - request->arrived_ms;

	return request->arrived_ms != 0 && age_ms > IPC_LATE_MS && age_ms < UINT32_MAX / 2;
}

static void log_rate(const struct js_attempt *attempt)
{
	static struct kw_log_gate gate;

	if (kw_log_gate(&gate, &kw_env_system, KW_LOG_WARNING, "join")) {
		kw_log(KW_LOG_WARNING, "join", "refused: over the rate of the peer",
			KW_STR("peer", attempt->peer->name));
	}
}

/* What the peer may ask in this time, whatever it asks: what follows is the vault's time. */
static enum kw_err check_rate(struct js_backend *backend, const struct js_attempt *attempt)
{
	const struct ks_peer *peer = attempt->peer;
	const uint32_t rate = peer->rate != 0 ? peer->rate : backend->peer_rate;
	const uint32_t burst = peer->rate != 0 ? peer->burst : JS_RATE_BURST_S * rate;

	if (js_rate_take(&backend->rates, peer->id, rate, burst,
		    kw_mono_us(ks_store_env(backend->store)))) {
		return KW_OK;
	}
	backend->alarms.rate_ms = attempt->now_ms;
	memcpy(backend->alarms.rate_peer, peer->name, sizeof(backend->alarms.rate_peer));
	log_rate(attempt);
	return KW_E_RATE;
}

/* To check one costs up to ten derivations, and a device that cannot rejoin has its session still. */
static enum kw_err check_rejoin_rate(struct js_backend *backend, const struct js_attempt *attempt)
{
	const struct ipc_backend_req *request = attempt->request;
	struct lw_device_id id;

	if (request->procedure != IPC_PROCEDURE_REJOIN) {
		return KW_OK;
	}
	memcpy(id.join_eui.octets, request->receiver, LW_EUI_SIZE);
	memcpy(id.dev_eui.octets, request->dev_eui, LW_EUI_SIZE);
	return js_suspects_may_rejoin(
		       &backend->suspects, &id, kw_mono_us(ks_store_env(backend->store)))
		       ? KW_OK
		       : KW_E_RATE;
}

static enum kw_err process(struct js_backend *backend, struct ks_txn *txn,
	struct js_attempt *attempt, struct ipc_backend_ans *ans)
{
	enum kw_err err = js_attempt_sender(backend->store, &backend->probe, attempt);
	enum kw_err limit = KW_OK;

	/* A stranger gets one answer, late or not. What is not worked on takes nothing of a peer's rate. */
	if (err == KW_OK && is_late(backend, attempt->request)) {
		return KW_E_TIMEOUT;
	}
	if (attempt->peer != NULL) {
		limit = check_rate(backend, attempt);
	}
	if (limit == KW_OK && err == KW_OK) {
		limit = check_rejoin_rate(backend, attempt);
	}
	if (limit != KW_OK) {
		return limit;
	}
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
static struct ks_event event_of(
	const struct js_attempt *attempt, enum ks_event_kind kind, enum kw_err err)
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
	return event;
}

static void log_alarm(const struct js_attempt *attempt, const struct ks_event *alarm)
{
	static struct kw_log_gate gate;
	const char *words = alarm->err == KW_E_MIC
				    ? "MIC guessing: wrong MICs come again and again"
				    : "replay flood: used nonces come again and again";

	if (kw_log_gate(&gate, &kw_env_system, KW_LOG_WARNING, "join")) {
		kw_log(KW_LOG_WARNING, "join", words, KW_EUI("dev_eui", alarm->id.dev_eui.octets),
			KW_NET_ID("net_id", alarm->net_id.octets),
			KW_STR("peer", attempt->peer->name), KW_NUM("count", alarm->repeats),
			KW_NUM("seconds", alarm->seconds));
	}
}

static void raise_alarm(
	struct js_backend *backend, const struct js_attempt *attempt, const struct ks_event *alarm)
{
	const enum js_suspects_kind kind =
		alarm->err == KW_E_MIC ? JS_SUSPECTS_MIC : JS_SUSPECTS_REPLAY;

	backend->alarms.count[kind]++;
	backend->alarms.last_ms[kind] = attempt->now_ms;
	backend->alarms.last_dev_eui[kind] = alarm->id.dev_eui;
	js_refusals_add(&backend->refusals, alarm);
	log_alarm(attempt, alarm);
}

static void note_refusal(
	struct js_backend *backend, const struct js_attempt *attempt, enum kw_err err)
{
	const struct ks_event event = event_of(attempt, KS_EVENT_REFUSED, err);
	struct ks_event alarm;

	switch (js_suspects_note(
		&backend->suspects, &event, kw_mono_us(ks_store_env(backend->store)), &alarm)) {
	case JS_SUSPECTS_USUAL:
		js_refusals_add(&backend->refusals, &event);
		break;
	case JS_SUSPECTS_RAISED:
		raise_alarm(backend, attempt, &alarm);
		break;
	case JS_SUSPECTS_COUNTED:
		break;
	}
}

static void note_event(
	struct js_backend *backend, const struct js_attempt *attempt, enum ks_event_kind kind)
{
	const struct ks_event event = event_of(attempt, kind, KW_OK);

	js_refusals_add(&backend->refusals, &event);
}

bool js_backend_watches(const struct js_backend *backend)
{
	return backend->suspects.alarmed > 0;
}

void js_backend_tick(struct js_backend *backend)
{
	const struct kw_env *env = ks_store_env(backend->store);
	struct ks_event alarm;

	while (js_suspects_end(&backend->suspects, kw_mono_us(env), &alarm)) {
		alarm.time_ms = kw_now_ms(env);
		js_refusals_add(&backend->refusals, &alarm);
	}
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
		note_refusal(backend, attempt, err);
	} else if (!is_join(attempt)) {
		note_event(backend, attempt, KS_EVENT_SERVED);
	} else if (attempt->repeated) {
		note_event(backend, attempt, KS_EVENT_REPEATED);
	}
}

static void count(struct js_backend *backend, const struct js_attempt *attempt, enum kw_err err)
{
	struct js_counters *counters = &backend->counters;
	struct js_counters *pending = &backend->pending;

	if (err != KW_OK) {
		counters->refused++;
		counters->unknown_devices += err == KW_E_NO_DEVICE;
		counters->mic_failures += err == KW_E_MIC;
		counters->missing_keks += err == KW_E_NO_KEK;
		counters->rate_refused += err == KW_E_RATE;
		counters->late_refused += err == KW_E_TIMEOUT;
		return;
	}
	if (!is_join(attempt)) {
		return;
	}
	pending->accepted += !attempt->repeated;
	pending->repeated += attempt->repeated;
	pending->dev_nonces_high += !attempt->repeated && attempt->type == LW_JOIN_REQ_JOIN &&
				    attempt->nonce >= DEV_NONCE_HIGH &&
				    lw_version_counts_dev_nonce(attempt->device.version);
}

void js_backend_kek_missing(const struct js_attempt *attempt, const struct ks_peer *wanting)
{
	static struct kw_log_gate gate;
	const char *help = "keyward kek add --as NAME --kek-label L --kek-file F";

	if (wanting == NULL) {
		help = attempt->device.policy.as_id[0] == '\0'
			       ? "keyward device set DEVEUI --as-id ID"
			       : "keyward as add NAME --as-id ID --kek-label L --kek-file F";
	} else if (wanting->kind == KS_PEER_NS) {
		help = "keyward kek add --ns NAME --kek-label L --kek-file F";
	}
	if (!kw_log_gate(&gate, &kw_env_system, KW_LOG_ERROR, "join")) {
		return;
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

void js_backend_kept(struct js_backend *backend)
{
	backend->counters.accepted += backend->pending.accepted;
	backend->counters.repeated += backend->pending.repeated;
	backend->counters.dev_nonces_high += backend->pending.dev_nonces_high;
	backend->pending = (struct js_counters){0};
}

void js_backend_void(struct js_backend *backend, struct ipc_backend_ans *ans, enum kw_err err)
{
	struct ipc_backend_ans kept = {
		.number = ans->number, .err = err, .answer_url_length = ans->answer_url_length};

	backend->pending = (struct js_counters){0};
	if (ans->err != KW_OK) {
		return;
	}
	memcpy(kept.peer, ans->peer, sizeof(kept.peer));
	kw_wipe(ans, sizeof(*ans));
	*ans = kept;
	backend->counters.refused++;
}
