/*
 * What the portal may ask about peers: who they are, how they show it, under which KEKs they get keys.
 */
#include "base/log.h"
#include "js/admin.h"
#include "js/convert.h"
#include "keystore/intake.h"

#include <string.h>

static const struct ks_peer *find_peer(const struct js_question *question)
{
	const struct ipc_peer *peer = &((const struct ipc_peer_req *)question->body)->peer;

	if (!js_text_ok(peer->name, sizeof(peer->name))) {
		return NULL;
	}
	return ks_peer_by_name(question->vault->store, (enum ks_peer_kind)peer->kind, peer->name);
}

static const char *peer_kind_text(const struct js_question *question)
{
	const struct ipc_peer *peer = &((const struct ipc_peer_req *)question->body)->peer;

	return peer->kind == IPC_PEER_NS ? "network server" : "application server";
}

static enum kw_err check_new_peer(const struct ks_peer *peer, char text[IPC_TEXT_SIZE])
{
	if (peer->name[0] == '\0') {
		js_admin_say(text, "a peer needs a name");
		return KW_E_MISSING;
	}
	if (peer->kind == KS_PEER_NS && peer->net_id_count == 0) {
		js_admin_say(text, "a network server needs at least one NetID");
		return KW_E_MISSING;
	}
	if (peer->kind == KS_PEER_AS && peer->as_id[0] == '\0') {
		js_admin_say(text, "an application server needs its AS-ID");
		return KW_E_MISSING;
	}
	return KW_OK;
}

static enum kw_err put_kek(
	const struct js_question *question, struct ks_peer *peer, char text[IPC_TEXT_SIZE])
{
	const struct ipc_peer_req *request = question->body;
	enum kw_err err;

	if (question->tail_length == 0) {
		if (request->kek_label[0] != '\0') {
			js_admin_say(text, "a KEK label without its KEK");
			return KW_E_MISSING;
		}
		ks_peer_clear_keks(peer);
		return KW_OK;
	}
	if (!js_text_ok(request->kek_label, sizeof(request->kek_label))) {
		return KW_E_INVALID;
	}
	err = ks_intake_kek(question->vault->store, peer, request->kek_label, question->tail,
		question->tail_length);
	if (err == KW_E_LENGTH) {
		js_admin_say(text, "a KEK has 16, 24 or 32 octets");
	} else if (err == KW_E_INVALID) {
		js_admin_say(text, "a KEK label has 1 to 63 printable ASCII characters");
	} else if (err == KW_E_EXISTS) {
		js_admin_say(
			text, "this peer has a KEK of that label; give each new KEK a new label");
	} else if (err == KW_E_EXHAUSTED) {
		js_admin_say(text, "this peer has had too many KEKs; remove it and add it again");
	} else if (err == KW_E_TOO_LONG) {
		js_admin_say(text, "this peer has %d KEKs; retire one that nobody needs any more",
			KS_KEKS_MAX);
	}
	return err;
}

/* Which bit of `set` stands for a kind. */
static const struct {
	enum ipc_peer_set bit;
	enum ks_credential_kind kind;
} credential_kinds[] = {
	{IPC_PEER_SET_TOKEN, KS_CREDENTIAL_TOKEN},
	{IPC_PEER_SET_HEADER, KS_CREDENTIAL_HEADER},
	{IPC_PEER_SET_CERTIFICATE, KS_CREDENTIAL_CERTIFICATE},
	{IPC_PEER_SET_SUBJECT, KS_CREDENTIAL_SUBJECT},
};

static enum kw_err add_credentials(const struct js_question *question, struct ks_peer *peer,
	enum ks_credential_kind kind, char text[IPC_TEXT_SIZE])
{
	const struct ipc_peer_req *request = question->body;
	enum kw_err err = KW_OK;

	for (size_t i = 0; err == KW_OK && i < request->credential_count; i++) {
		const struct ipc_given_credential *given = &request->credentials[i];

		if (given->credential.kind != kind) {
			continue;
		}
		if (!js_text_ok(given->shown.text, sizeof(given->shown.text))) {
			return KW_E_INVALID;
		}
		err = ks_peer_add_credential(question->vault->store, peer, kind,
			given->credential.digest, given->shown.text, given->shown.expires_s);
	}
	if (err == KW_E_TOO_LONG) {
		js_admin_say(text, "a peer has at most %d credentials", KS_CREDENTIALS_MAX);
	} else if (err == KW_E_EXISTS) {
		js_admin_say(text, "the same credential is given twice");
	}
	return err;
}

/* Those of a kind that is named replace what the peer had of it. */
static enum kw_err put_credentials(
	const struct js_question *question, struct ks_peer *peer, char text[IPC_TEXT_SIZE])
{
	const struct ipc_peer_req *request = question->body;
	enum kw_err err = KW_OK;

	if (request->credential_count > IPC_CREDENTIALS_MAX) {
		return KW_E_INVALID;
	}
	for (size_t i = 0; i < sizeof(credential_kinds) / sizeof(credential_kinds[0]); i++) {
		if ((request->set & credential_kinds[i].bit) != 0) {
			ks_peer_drop_credentials(peer, credential_kinds[i].kind);
		}
	}
	for (size_t i = 0; i < sizeof(credential_kinds) / sizeof(credential_kinds[0]); i++) {
		if (err == KW_OK && (request->set & credential_kinds[i].bit) != 0) {
			err = add_credentials(question, peer, credential_kinds[i].kind, text);
		}
	}
	return err;
}

static enum kw_err put_peer(
	const struct js_question *question, struct ks_peer *peer, struct ipc_peer_ans *ans)
{
	const struct ipc_peer_req *request = question->body;
	struct ks_store *store = question->vault->store;
	struct ks_txn *txn;
	enum kw_err err = js_peer_from_ipc(&request->peer, request->set, peer);

	if (err == KW_OK) {
		err = check_new_peer(peer, ans->text);
	}
	if (err == KW_OK) {
		err = put_credentials(question, peer, ans->text);
	}
	if (err == KW_OK) {
		err = ks_txn_begin(store, &txn);
	}
	if (err != KW_OK) {
		return err;
	}
	err = ks_peer_put(txn, peer);
	if (err == KW_E_EXISTS) {
		js_admin_say(ans->text, "another peer has this name, AS-ID or credential");
	}
	if (err == KW_OK && (request->set & IPC_PEER_SET_KEK) != 0) {
		err = put_kek(question, peer, ans->text);
		if (err == KW_OK) {
			err = ks_peer_put(txn, peer);
		}
	}
	err = js_admin_end(question->vault, txn, err);
	if (err == KW_OK) {
		js_peer_to_ipc(peer, &ans->peer);
		kw_log(KW_LOG_NOTICE, "peer", "peer recorded", KW_STR("name", peer->name));
	}
	return err;
}

enum kw_err js_admin_add_peer(const struct js_question *question, void *answer)
{
	const struct ipc_peer_req *request = question->body;
	struct ipc_peer_ans *ans = answer;
	struct ks_peer peer;

	memset(&peer, 0, sizeof(peer));
	if (request->peer.kind != IPC_PEER_NS && request->peer.kind != IPC_PEER_AS) {
		return KW_E_INVALID;
	}
	if (find_peer(question) != NULL) {
		js_admin_say(
			ans->text, "the %s of this name exists already", peer_kind_text(question));
		return KW_E_EXISTS;
	}
	if (!js_text_ok(request->peer.name, sizeof(request->peer.name))) {
		return KW_E_INVALID;
	}
	peer.kind = (enum ks_peer_kind)request->peer.kind;
	memcpy(peer.name, request->peer.name, sizeof(peer.name));
	return put_peer(question, &peer, ans);
}

static enum kw_err unknown_peer(const struct js_question *question, char text[IPC_TEXT_SIZE])
{
	js_admin_say(text, "no %s of this name", peer_kind_text(question));
	return KW_E_NOT_FOUND;
}

enum kw_err js_admin_set_peer(const struct js_question *question, void *answer)
{
	const struct ks_peer *found = find_peer(question);
	struct ipc_peer_ans *ans = answer;
	struct ks_peer peer;

	if (found == NULL) {
		return unknown_peer(question, ans->text);
	}
	peer = *found;
	return put_peer(question, &peer, ans);
}

enum kw_err js_admin_get_peer(const struct js_question *question, void *answer)
{
	const struct ks_peer *found = find_peer(question);
	struct ipc_peer_ans *ans = answer;

	if (found == NULL) {
		return unknown_peer(question, ans->text);
	}
	js_peer_to_ipc(found, &ans->peer);
	return KW_OK;
}

enum kw_err js_admin_remove_peer(const struct js_question *question, void *answer)
{
	const struct ks_peer *found = find_peer(question);
	struct ipc_peer_ans *ans = answer;
	struct ks_txn *txn;
	enum kw_err err;

	if (found == NULL) {
		return unknown_peer(question, ans->text);
	}
	js_peer_to_ipc(found, &ans->peer);
	err = ks_txn_begin(question->vault->store, &txn);
	if (err != KW_OK) {
		return err;
	}
	err = js_admin_end(question->vault, txn, ks_peer_remove(txn, found->id));
	if (err == KW_OK) {
		kw_log(KW_LOG_NOTICE, "peer", "peer removed", KW_STR("name", ans->peer.name));
	}
	return err;
}

enum kw_err js_admin_list_peers(const struct js_question *question, void *answer)
{
	const struct ipc_list_req *request = question->body;
	struct ipc_peer_page *page = answer;
	uint32_t limit = js_page_limit(request->limit, IPC_PEER_PAGE_MAX);
	const struct ks_peer *peer;

	if (!js_text_ok(request->after_name, sizeof(request->after_name))) {
		return KW_E_INVALID;
	}
	for (size_t i = 0; (peer = ks_peer_at(question->vault->store,
				    (enum ks_peer_kind)request->peer_kind, i)) != NULL;
		i++) {
		if (strcmp(peer->name, request->after_name) <= 0) {
			continue;
		}
		if (page->count == limit) {
			page->more = 1;
			break;
		}
		js_peer_to_ipc(peer, &page->peers[page->count++]);
	}
	return KW_OK;
}

enum kw_err js_admin_probe_peer(const struct js_question *question, void *answer)
{
	const struct ipc_peer_req *request = question->body;
	const struct ks_peer *found = find_peer(question);
	struct js_probe *probe = &question->vault->backend.probe;
	struct ipc_peer_ans *ans = answer;

	if (found == NULL) {
		return unknown_peer(question, ans->text);
	}
	if (request->credential_count != 1 ||
		request->credentials[0].credential.kind != IPC_CREDENTIAL_TOKEN) {
		return KW_E_INVALID;
	}
	probe->peer = found->id;
	probe->until_us = kw_mono_us(question->vault->env) + JS_PROBE_US;
	memcpy(probe->digest, request->credentials[0].credential.digest, sizeof(probe->digest));
	js_peer_to_ipc(found, &ans->peer);
	kw_log(KW_LOG_NOTICE, "peer", "a token for a test stands for the peer for a minute",
		KW_STR("name", found->name));
	return KW_OK;
}

enum kw_err js_admin_retire_kek(const struct js_question *question, void *answer)
{
	const struct ipc_peer_req *request = question->body;
	const struct ks_peer *found = find_peer(question);
	struct ipc_peer_ans *ans = answer;
	struct ks_peer peer;
	struct ks_txn *txn;
	enum kw_err err;

	if (found == NULL) {
		return unknown_peer(question, ans->text);
	}
	if (!js_text_ok(request->kek_label, sizeof(request->kek_label))) {
		return KW_E_INVALID;
	}
	peer = *found;
	err = ks_peer_retire_kek(&peer, request->kek_label, request->force != 0);
	if (err == KW_E_NOT_FOUND) {
		js_admin_say(ans->text, "this peer has no KEK of that label");
	} else if (err == KW_E_BUSY) {
		js_admin_say(ans->text,
			"this KEK is the current one; add its successor first, or force it: then "
			"nothing is delivered to the peer until a KEK is added");
	}
	if (err == KW_OK) {
		err = ks_txn_begin(question->vault->store, &txn);
	}
	if (err != KW_OK) {
		return err;
	}
	err = js_admin_end(question->vault, txn, ks_peer_put(txn, &peer));
	if (err == KW_OK) {
		js_peer_to_ipc(&peer, &ans->peer);
		kw_log(KW_LOG_NOTICE, "peer", "KEK retired", KW_STR("name", peer.name),
			KW_STR("label", request->kek_label));
	}
	return err;
}

static void peer_status(const struct ks_peer *peer, struct ipc_status *status)
{
	status->keks_missing += peer->wraps && peer->kek_current == 0;
	for (size_t i = 0; i < peer->credential_count; i++) {
		uint64_t expires_s = peer->credentials[i].expires_s;

		if (expires_s == 0 || (status->credential_expires_s != 0 &&
					      status->credential_expires_s <= expires_s)) {
			continue;
		}
		status->credential_expires_s = expires_s;
		memcpy(status->credential_peer, peer->name, sizeof(status->credential_peer));
	}
}

void js_admin_peers_status(const struct js_vault *vault, struct ipc_status *status)
{
	const struct ks_peer *peer;

	for (size_t i = 0; (peer = ks_peer_at(vault->store, KS_PEER_NS, i)) != NULL; i++) {
		peer_status(peer, status);
	}
	for (size_t i = 0; (peer = ks_peer_at(vault->store, KS_PEER_AS, i)) != NULL; i++) {
		peer_status(peer, status);
	}
}
