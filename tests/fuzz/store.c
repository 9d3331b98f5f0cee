#include "tests/fuzz/store.h"

#include "base/hex.h"
#include "keystore/intake_key.h"
#include "keystore/seal.h"
#include "keystore/state.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAP_SIZE (16u << 20)
#define NOW_MS   UINT64_C(1800000000000)
#define DER_MAX  512

/* Made for this purpose with openssl(1); the corpora are sealed to it. */
static const char intake_key[] =
	"307702010104202dc0bc4a5cc9204fea5e0cfca7c3a555589d3c613c26717ee71e83e2e6b1812da0"
	"0a06082a8648ce3d030107a144034200048211e2d4baa1592ab3bd4602f4f689bf58487937c2447a"
	"2761527c8790769a99d33a020a20d45293d8bf01034ac8b7e98992d3ac8aca68a9f1c3ef2980ca14"
	"0e";
static const char intake_certificate[] =
	"308201a53082014aa003020102021040000000000000000000000000000001300a06082a8648ce3d"
	"04030230223120301e06035504030c174b65797761726420696e74616b6520303030303030303030"
	"20170d3236313132323139353034345a180f32313236313032393139353034345a30223120301e06"
	"035504030c174b65797761726420696e74616b652030303030303030303059301306072a8648ce3d"
	"020106082a8648ce3d030107034200048211e2d4baa1592ab3bd4602f4f689bf58487937c2447a27"
	"61527c8790769a99d33a020a20d45293d8bf01034ac8b7e98992d3ac8aca68a9f1c3ef2980ca140e"
	"a360305e301d0603551d0e0416041481bb184001f311ff6b6077dad1199bf9ed98c67d301f060355"
	"1d2304183016801481bb184001f311ff6b6077dad1199bf9ed98c67d300c0603551d130101ff0402"
	"3000300e0603551d0f0101ff040403020308300a06082a8648ce3d0403020349003046022100b81a"
	"a47f2c3f670d77aa90a9e858a9c29fb13d4119785256f885e8c0f644b6bf022100e50c5a9e70b7cc"
	"ed78b07835a1f0ca50fd4eba8548743dfcb864efee22d04459";

static const struct ks_master_key master = {
	{'m', 'a', 's', 't', 'e', 'r', ' ', 'k', 'e', 'y', ' ', 'o', 'f', ' ', 'f', 'u', 'z', 'z',
		'i', 'n', 'g', '.', '.', '.', '.', '.', '.', '.', '.', '.', '.', '.'}};
static const struct lw_key join_key = {{0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 0x07, 0x18, 0x29, 0x3a,
	0x4b, 0x5c, 0x6d, 0x7e, 0x8f, 0x90}};
static const struct lw_key other_key = {{0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96,
	0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0}};
static const struct lw_key kek = {{0x52, 0x17, 0xe9, 0x0b, 0x64, 0xc8, 0x3f, 0xa5, 0xd1, 0x78, 0x2c,
	0x96, 0xee, 0x41, 0xb0, 0x3d}};

/* A sanitizer's, where there is one. */
__attribute__((weak)) void __lsan_disable(void);
__attribute__((weak)) void __lsan_enable(void);

static struct ks_store *store;
static struct ks_store_figures made;

static uint64_t fixed_now(void *arg)
{
	(void)arg;
	return NOW_MS;
}

static uint64_t fixed_mono(void *arg)
{
	(void)arg;
	return 1;
}

static enum kw_err repeated_random(void *arg, void *out, size_t length)
{
	static uint64_t seed = 1;
	uint8_t *octets = out;

	(void)arg;
	for (size_t i = 0; i < length; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		octets[i] = (uint8_t)(seed >> 56);
	}
	return KW_OK;
}

static const struct kw_env env = {fixed_now, fixed_mono, repeated_random, NULL};

static void good(enum kw_err err)
{
	fuzz_require(err == KW_OK);
}

static struct ks_txn *begin(void)
{
	struct ks_txn *txn;

	good(ks_txn_begin(store, &txn));
	return txn;
}

static size_t from_hex(const char *text, uint8_t out[DER_MAX])
{
	const size_t digits = strlen(text);

	fuzz_require(digits / 2 <= DER_MAX);
	good(kw_hex_read(text, digits, out, digits / 2));
	return digits / 2;
}

static void put_intake(struct ks_txn *txn)
{
	uint8_t der[DER_MAX], sealed[DER_MAX + KS_SEAL_EXTRA];
	size_t length = from_hex(intake_certificate, der);

	good(ks_meta_put(txn, "intake_certificate", der, length));
	length = from_hex(intake_key, der);
	good(ks_seal_into(store->sealer, KS_TAG_INTAKE_KEY, store->id, KS_STORE_ID_SIZE, der,
		length, sealed));
	good(ks_meta_put(txn, "intake_key", sealed, length + KS_SEAL_EXTRA));
}

static void put_peer(struct ks_txn *txn, struct ks_peer *peer, uint8_t token)
{
	const uint8_t digest[KS_DIGEST_SIZE] = {token};

	good(ks_peer_add_credential(store, peer, KS_CREDENTIAL_TOKEN, digest, "", 0));
	good(ks_peer_put(txn, peer));
}

static void put_peers(struct ks_txn *txn)
{
	struct ks_peer ns = {.kind = KS_PEER_NS,
		.name = "ours",
		.net_ids = {{{0, 0, 0x13}}},
		.net_id_count = 1,
		.any_device = true,
		.answer_url = "http://127.0.0.1:9/answers"};
	struct ks_peer as = {
		.kind = KS_PEER_AS, .name = "app", .as_id = "app.example", .clear = true};

	put_peer(txn, &ns, FUZZ_OURS);
	good(ks_peer_add_kek(store, &ns, "kek", kek.octets, sizeof(kek.octets)));
	good(ks_peer_put(txn, &ns));
	put_peer(txn, &as, FUZZ_AS);
}

struct lw_device_id fuzz_device_id(uint8_t number)
{
	return (struct lw_device_id){
		{{0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0, 0, 0}}, {{0, 4, 0xa3, 0x0b, 0, 0, 0, number}}};
}

const struct lw_key *fuzz_join_key(void)
{
	return &join_key;
}

static void put_device(struct ks_txn *txn, uint8_t number, enum lw_version version)
{
	const bool is_1_1 = lw_version_is_1_1(version);
	struct ks_device device = {.id = fuzz_device_id(number),
		.version = version,
		.origin = KS_ORIGIN_IMPORTED,
		.policy = {.as_id = "app.example"}};

	good(ks_device_add(
		txn, &device, is_1_1 ? &other_key : &join_key, is_1_1 ? &join_key : NULL));
}

/* Session keys are never looked at here, so one that was never made is as good. */
static void put_session(struct ks_txn *txn, uint8_t number, enum lw_version version)
{
	const struct lw_device_id id = fuzz_device_id(number);
	struct ks_session session = {
		.time_ms = NOW_MS,
		.join_nonce = 1,
		.nonce = 1,
		.type = LW_JOIN_REQ_JOIN,
		.net_id = {{0, 0, 0x13}},
		.mac_version = version,
		.opt_neg = lw_version_is_1_1(version),
		.ns_peer = ks_peer_by_name(store, KS_PEER_NS, "ours")->id,
		.as_peer = ks_peer_by_name(store, KS_PEER_AS, "app")->id,
		.delivery = KS_DELIVERY_FETCH,
		.ns_kek = 1,
	};
	struct ks_state state;

	memset(session.session_key_id, number, sizeof(session.session_key_id));
	good(ks_state_get(txn, &id, &state));
	good(ks_join_record(txn, &state, version, &session));
}

static void fill_sessions(void)
{
	struct ks_txn *txn = begin();

	put_session(txn, FUZZ_1_0_3, LW_VERSION_1_0_3);
	put_session(txn, FUZZ_1_0_4, LW_VERSION_1_0_4);
	put_session(txn, FUZZ_1_1, LW_VERSION_1_1);
	good(ks_txn_commit(txn));
}

static void fill(void)
{
	struct ks_txn *txn = begin();

	put_intake(txn);
	put_peers(txn);
	put_device(txn, FUZZ_1_0_3, LW_VERSION_1_0_3);
	put_device(txn, FUZZ_1_0_4, LW_VERSION_1_0_4);
	put_device(txn, FUZZ_1_1, LW_VERSION_1_1);
	good(ks_txn_commit(txn));
}

/* Nobody needs its names once it is open, so an input that ends the process leaves nothing. */
static void forget(const char *path)
{
	static const char *const names[] = {"data.mdb", "lock.mdb"};
	char file[128];

	for (size_t i = 0; i < 2; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]);
		unlink(file);
	}
	fuzz_require(rmdir(path) == 0);
}

static void make(void)
{
	char path[] = "/tmp/keyward-fuzz-XXXXXX";
	const struct ks_options options = {.path = path, .map_size = MAP_SIZE, .env = &env};

	fuzz_require(mkdtemp(path) != NULL);
	good(ks_store_create(&options, &master));
	good(ks_store_open(&options, &master, &store));
	fill();
	fill_sessions();
	ks_store_close(store);
	good(ks_store_open(&options, &master, &store)); /* with the other intake key */
	forget(path);
	ks_store_figures(store, &made);
}

struct ks_store *fuzz_store(void)
{
	if (store != NULL) {
		return store;
	}
	/* It stays open, and a leak detector does not look into locked memory. */
	if (__lsan_disable != NULL) {
		__lsan_disable();
	}
	make();
	if (__lsan_enable != NULL) {
		__lsan_enable();
	}
	return store;
}

bool fuzz_secret_in(const void *octets, size_t length)
{
	const struct lw_key *const keys[] = {&join_key, &other_key, &kek};
	bool found = memmem(octets, length, master.octets, sizeof(master.octets)) != NULL;

	for (size_t i = 0; i < 3; i++) {
		found = found || memmem(octets, length, keys[i]->octets, 16) != NULL;
	}
	return found;
}

void fuzz_store_unchanged(void)
{
	struct ks_store_figures now;

	fuzz_require(store->txn == NULL);
	ks_store_figures(store, &now);
	fuzz_require(now.devices == made.devices && now.peers == made.peers &&
		     now.events == made.events && now.journal_records == made.journal_records);
}
