#include "ipc/channel.h"
#include "js/vault.h"
#include "keystore/intake.h"
#include "lorawan/join.h"
#include "provision/seal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/patch.h"
#include "tests/fuzz/store.h"

#include <string.h>

/*
 * What a front or a portal that was taken over can say to the vault: any message of any kind that is
 * whole, up to the answer. Root keys, KEKs and the master key stand in no answer, a refusal says
 * nothing but itself, and what is answered is whole as well.
 *
 * The first octet is the kind, the second says how the rest is meant, then come changes to the body
 * (tests/fuzz/patch.h), and what stands behind these is the envelope.
 */
enum how {
	SIGN = 1 << 0,         /* the frame's MIC is made right */
	TWICE = 1 << 1,        /* the same request again: the same answer */
	SEAL = 1 << 2,         /* what stands for the envelope is sealed first */
	AFTER_REPORT = 1 << 3, /* the front reports the same octets first */
};

#define SAMPLE(how)   ((how) >> 4)
#define WINDOW_MS     10000
#define SAMPLE_NONCE  9
#define ENVELOPE_ROOM (IPC_ENVELOPE_MAX / 2)

static struct js_vault vault;
static bool told; /* the input has a key in it: the fuzzer sees what it is compared with */
static uint64_t message[IPC_MESSAGE_MAX / sizeof(uint64_t)];
static uint64_t answer[IPC_MESSAGE_MAX / sizeof(uint64_t)];

/* In place of js/vault_commit.c: every input finds the same store. */
enum kw_err js_vault_commit(struct js_vault *of, struct ks_txn *txn)
{
	(void)of;
	ks_txn_abort(txn);
	return KW_OK;
}

static void vault_reset(void)
{
	if (vault.store == NULL) {
		vault.store = fuzz_store();
		vault.env = ks_store_env(vault.store);
		fuzz_require(js_backend_init(&vault.backend, vault.store, WINDOW_MS) == KW_OK);
	}
	js_backup_end(&vault);
	vault.backend.refusals.count = 0;
	memset(&vault.backend.probe, 0, sizeof(vault.backend.probe));
	memset(vault.reports, 0, sizeof(vault.reports));
	memset(vault.reported, 0, sizeof(vault.reported));
}

/* ---- the fronts' requests ---- */

static void put_le(uint8_t *out, const uint8_t *octets, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		out[i] = octets[length - 1 - i];
	}
}

static void sample_frame(struct ipc_backend_req *request, uint8_t type)
{
	uint8_t *frame = request->phy_payload;
	size_t at = 1;

	frame[0] = type == LW_JOIN_REQ_JOIN ? 0x00 : 0xc0;
	if (type != LW_JOIN_REQ_JOIN) {
		frame[at++] = type;
	}
	if (type == LW_JOIN_REQ_REJOIN_0) {
		put_le(frame + at, request->sender_net_id, LW_NET_ID_SIZE);
		at += LW_NET_ID_SIZE;
	} else {
		put_le(frame + at, request->receiver, LW_EUI_SIZE);
		at += LW_EUI_SIZE;
	}
	put_le(frame + at, request->dev_eui, LW_EUI_SIZE);
	frame[at + LW_EUI_SIZE] = SAMPLE_NONCE;
	request->phy_length = (uint8_t)(at + LW_EUI_SIZE + 2 + LW_MIC_SIZE);
}

/* A request as a good front would ask it, to be changed. */
static void sample(struct ipc_backend_req *request, unsigned number)
{
	static const struct {
		uint8_t procedure, device, version, type;
	} samples[] = {
		{IPC_PROCEDURE_NONE, 0, 0, 0},
		{IPC_PROCEDURE_JOIN, FUZZ_1_0_3, LW_VERSION_1_0_3, LW_JOIN_REQ_JOIN},
		{IPC_PROCEDURE_JOIN, FUZZ_1_0_4, LW_VERSION_1_0_4, LW_JOIN_REQ_JOIN},
		{IPC_PROCEDURE_JOIN, FUZZ_1_1, LW_VERSION_1_1, LW_JOIN_REQ_JOIN},
		{IPC_PROCEDURE_REJOIN, FUZZ_1_1, LW_VERSION_1_1, LW_JOIN_REQ_REJOIN_0},
		{IPC_PROCEDURE_REJOIN, FUZZ_1_1, LW_VERSION_1_1, LW_JOIN_REQ_REJOIN_1},
		{IPC_PROCEDURE_APP_S_KEY, FUZZ_1_0_3, 0, 0},
		{IPC_PROCEDURE_HOME_NS, FUZZ_1_0_3, 0, 0},
	};
	const size_t i = number % (sizeof(samples) / sizeof(samples[0]));
	const struct lw_device_id id = fuzz_device_id(samples[i].device);
	const bool as = samples[i].procedure == IPC_PROCEDURE_APP_S_KEY;

	if (samples[i].procedure == IPC_PROCEDURE_NONE) {
		return;
	}
	*request = (struct ipc_backend_req){
		.number = 1,
		.procedure = samples[i].procedure,
		.protocol = IPC_PROTOCOL_1_0,
		.mac_version = samples[i].version,
		.dl_settings = samples[i].version == LW_VERSION_1_1 ? 0x80 : 0,
		.sender_is_net_id = !as,
		.sender_net_id = {0, 0, as ? 0 : 0x13},
		.receiver_is_eui = 1,
		.has_dev_eui = 1,
		.credential_count = 1,
		.credentials = {{IPC_CREDENTIAL_TOKEN, {as ? FUZZ_AS : FUZZ_OURS}}},
		.has_session_key_id = as,
	};
	memset(request->session_key_id, as ? FUZZ_1_0_3 : 0, IPC_SESSION_ID_SIZE);
	strcpy(request->as_id, as ? "app.example" : "");
	memcpy(request->receiver, id.join_eui.octets, LW_EUI_SIZE);
	memcpy(request->dev_eui, id.dev_eui.octets, LW_EUI_SIZE);
	if (samples[i].procedure == IPC_PROCEDURE_JOIN ||
		samples[i].procedure == IPC_PROCEDURE_REJOIN) {
		sample_frame(request, samples[i].type);
	}
}

static void sign(struct ipc_backend_req *request)
{
	struct lw_key_handle handle;
	struct lw_key js_int_key = {{0}};
	uint8_t mac[LW_BLOCK_SIZE], block[LW_BLOCK_SIZE] = {6};
	size_t length = request->phy_length;

	if (length <= LW_MIC_SIZE || length > LW_REQUEST_MAX) {
		return;
	}
	length -= LW_MIC_SIZE;
	lw_key_handle_init(&handle, ks_store_aes(vault.store), fuzz_join_key());
	if (request->procedure == IPC_PROCEDURE_REJOIN) {
		put_le(block + 1, request->dev_eui, LW_EUI_SIZE);
		fuzz_require(lw_key_encrypt(&handle, block, js_int_key.octets,
				     sizeof(js_int_key.octets)) == KW_OK);
		lw_key_handle_init(&handle, ks_store_aes(vault.store), &js_int_key);
	}
	fuzz_require(lw_key_cmac(&handle, request->phy_payload, length, mac) == KW_OK);
	memcpy(request->phy_payload + length, mac, LW_MIC_SIZE);
}

static void check_refusal(const struct ipc_backend_ans *ans)
{
	struct ipc_backend_ans nothing;

	memset(&nothing, 0, sizeof(nothing));
	nothing.number = ans->number;
	nothing.err = ans->err;
	memcpy(nothing.peer, ans->peer, sizeof(ans->peer));
	fuzz_require(memcmp(&nothing, ans, sizeof(nothing)) == 0);
}

static void check_backend(const struct ipc_backend_req *request, const struct ks_peer *peer,
	const struct ipc_backend_ans *ans)
{
	fuzz_require(ans->number == request->number);
	fuzz_require(strncmp(ans->peer, peer != NULL ? peer->name : "", IPC_NAME_SIZE) == 0);
	fuzz_require(peer != NULL || ans->err != KW_OK);
	fuzz_require(told || !fuzz_secret_in(ans, sizeof(*ans)));
	if (ans->err != KW_OK) {
		check_refusal(ans);
		return;
	}
	fuzz_require(ans->phy_length == 0 || ans->phy_length == LW_JOIN_ACCEPT_SIZE ||
		     ans->phy_length == LW_JOIN_ACCEPT_MAX);
	fuzz_require(ans->app_s_key.length == 0 || ans->app_s_key.length == 16 ||
		     ans->app_s_key.length == LW_WRAPPED_SIZE);
}

static void ask_backend(uint8_t how)
{
	struct ipc_header *header = (struct ipc_header *)message;
	struct ipc_backend_req *request = (struct ipc_backend_req *)(header + 1);
	struct ipc_backend_ans ans[2];
	struct ks_txn *txn;

	if ((how & SIGN) != 0) {
		sign(request);
	}
	fuzz_require(ks_txn_begin(vault.store, &txn) == KW_OK);
	for (size_t i = 0; i < 1u + ((how & TWICE) != 0); i++) {
		const struct ks_peer *peer =
			js_backend_answer(&vault.backend, txn, request, &ans[i]);

		check_backend(request, peer, &ans[i]);
	}
	if ((how & TWICE) != 0 && ans[0].err == KW_OK) {
		fuzz_require(memcmp(&ans[0], &ans[1], sizeof(ans[0])) == 0);
	}
	js_backend_void(&vault.backend, &ans[0], KW_E_STORE_FULL);
	check_refusal(&ans[0]);
	fuzz_require(vault.backend.refusals.count == 0 ||
		     js_refusals_write(&vault.backend.refusals, txn) == KW_OK);
	ks_txn_abort(txn);
}

/* ---- the portal's questions ---- */

static void ask_admin(void)
{
	struct ipc_header *header = (struct ipc_header *)answer;
	size_t length;

	length = js_admin_answer(&vault, (const struct ipc_header *)message, header);
	fuzz_require(length == ipc_body_size(((const struct ipc_header *)message)->kind, false));
	fuzz_require(header->err <= 0 && header->err != KW_E_STORE);
	header->magic = IPC_MAGIC; /* as ipc_send() */
	header->length = (uint32_t)length;
	fuzz_require(ipc_message_check(answer, sizeof(*header) + length, false) == KW_OK);
	fuzz_require(told || !fuzz_secret_in(header + 1, length));
}

/* A backup that was begun is fetched to its end. */
static void fetch_backup(void)
{
	const struct ipc_backup_ans *ans = (const struct ipc_backup_ans *)(answer + 3);
	struct ipc_backup_req *request = (struct ipc_backup_req *)(message + 3);

	static_assert(sizeof(struct ipc_header) == 3 * sizeof(message[0]), "bodies follow");
	if (((const struct ipc_header *)answer)->err != KW_OK || vault.backup == NULL) {
		return;
	}
	*request = (struct ipc_backup_req){.id = ans->id};
	while (vault.backup != NULL) {
		ask_admin();
		fuzz_require(((const struct ipc_header *)answer)->err == KW_OK);
		fuzz_require(ans->length <= IPC_BACKUP_PIECE_MAX);
		request->offset += ans->length;
	}
	fuzz_require(request->offset > 0);
}

/* ---- */

static size_t put_envelope(const uint8_t *octets, size_t length, uint8_t how, uint8_t *out)
{
	size_t certificate_length;
	const uint8_t *certificate = ks_intake_certificate(vault.store, &certificate_length);
	uint8_t *der;

	if (length == 0 || length > ENVELOPE_ROOM) {
		return 0;
	}
	if ((how & SEAL) == 0) {
		memcpy(out, octets, length);
		return length;
	}
	fuzz_require(
		pr_seal(certificate, certificate_length, octets, length, &der, &length) == KW_OK);
	memcpy(out, der, length);
	free(der);
	return length;
}

/* The two kinds of bodies that an envelope stands behind say how long it is. */
static size_t envelope_make(
	unsigned kind, void *body, const struct parts *rest, uint8_t how, uint8_t *tail)
{
	const uint8_t *octets = rest->vault + rest->taken;
	const size_t length = rest->vault_length - rest->taken;
	size_t made = 0;

	if (kind == IPC_DEVICE_IMPORT) {
		made = put_envelope(octets, length, how, tail);
		((struct ipc_import_req *)body)->envelope_length = (uint32_t)made;
	} else if (kind == IPC_PEER_ADD || kind == IPC_PEER_SET) {
		made = put_envelope(octets, length, how, tail);
		((struct ipc_peer_req *)body)->kek_envelope_length = (uint32_t)made;
	}
	return made;
}

/* @return false: there is no such message */
static bool message_make(unsigned kind, uint8_t how, struct parts *rest)
{
	struct ipc_header *header = (struct ipc_header *)message;
	uint8_t *body = (uint8_t *)(header + 1);
	const size_t size = ipc_body_size(kind, true);
	size_t tail;

	memset(message, 0, sizeof(message));
	if (kind == IPC_BACKEND) {
		sample((struct ipc_backend_req *)body, SAMPLE(how));
	}
	if (size > 0) {
		patch_apply(rest, body, size);
	}
	tail = envelope_make(kind, body, rest, how, body + size);
	header->magic = IPC_MAGIC;
	header->kind = (uint16_t)kind;
	header->count = size > 0;
	header->length = (uint32_t)(size + tail);
	return ipc_message_check(message, sizeof(*header) + size + tail, true) == KW_OK;
}

static void report(const struct parts *rest)
{
	struct parts again = *rest;

	patch_apply(&again, &vault.reports[0], sizeof(vault.reports[0]));
	vault.reported[0] = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parts rest = {.vault = data + 2, .vault_length = size - 2};

	vault_reset();
	if (size < 2) {
		return 0;
	}
	if ((data[1] & AFTER_REPORT) != 0) {
		report(&rest);
	}
	if (message_make(data[0] % IPC_KIND_COUNT, data[1], &rest)) {
		told = fuzz_secret_in(message, sizeof(message)) ||
		       fuzz_secret_in(&vault.reports[0], sizeof(vault.reports[0]));
		if (data[0] % IPC_KIND_COUNT == IPC_BACKEND) {
			ask_backend(data[1]);
		} else if (data[0] % IPC_KIND_COUNT != IPC_REPORT) {
			ask_admin();
			fetch_backup();
		}
	}
	js_backup_end(&vault);
	fuzz_store_unchanged();
	return 0;
}
