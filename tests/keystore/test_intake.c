#include "tests/keystore/store_fixture.h"

#include "keystore/intake.h"
#include "keystore/intake_key.h"
#include "keystore/internal.h"

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define PROBLEMS_MAX 8

static const char header[] = "join_eui,dev_eui,lorawan_version,app_key,nwk_key,name\n";
static const char rows[] =
	"70b3d57ed0000000,0004a30b00000001,1.0.3,"
	"9f1c27e845d06ab3718e52fc0d94b6a1,,first\n"
	"70b3d57ed0000000,0004a30b00000002,1.1,"
	"3e84d1709bc5f2164ad7e0836c1f95b8,c7052f9e81d64ba30e7af5d1926c38b4,second\n";

struct envelope {
	uint8_t *der;
	size_t length;
};

struct outcome {
	struct ks_import import;
	struct pr_problem problems[PROBLEMS_MAX];
	size_t count;
};

static X509 *certificate_of(const struct ks_store *store)
{
	size_t length;
	const uint8_t *der = ks_intake_certificate(store, &length);
	X509 *certificate = d2i_X509(NULL, &der, (long)length);

	assert_non_null(certificate);
	return certificate;
}

static struct envelope seal_as(
	X509 *certificate, const void *text, size_t length, const EVP_CIPHER *cipher)
{
	STACK_OF(X509) *to = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(text, (int)length);
	struct envelope envelope = {0};
	CMS_ContentInfo *cms;
	int size;

	assert_true(to != NULL && in != NULL && sk_X509_push(to, certificate) > 0);
	cms = CMS_encrypt(to, in, cipher, CMS_BINARY);
	assert_non_null(cms);
	size = i2d_CMS_ContentInfo(cms, &envelope.der);
	assert_true(size > 0);
	envelope.length = (size_t)size;
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	sk_X509_free(to);
	return envelope;
}

static struct envelope seal(const struct fixture *fixture, const void *text, size_t length)
{
	X509 *certificate = certificate_of(fixture->store);
	const struct envelope envelope = seal_as(certificate, text, length, EVP_aes_256_gcm());

	X509_free(certificate);
	return envelope;
}

static struct envelope seal_rows(const struct fixture *fixture, const char *text)
{
	char file[4096];
	const int length = snprintf(file, sizeof(file), "%s%s", header, text);

	assert_true(length > 0 && length < (int)sizeof(file));
	return seal(fixture, file, (size_t)length);
}

static void drop(struct envelope *envelope)
{
	OPENSSL_free(envelope->der);
	envelope->der = NULL;
}

static void note_problem(void *context, const struct pr_problem *problem)
{
	struct outcome *outcome = context;

	if (outcome->count < PROBLEMS_MAX) {
		outcome->problems[outcome->count++] = *problem;
	}
}

static enum kw_err import_into(
	struct ks_txn *txn, const struct envelope *envelope, struct outcome *outcome)
{
	outcome->count = 0;
	outcome->import.problem = note_problem;
	outcome->import.context = outcome;
	return ks_import(txn, envelope->der, envelope->length, &outcome->import);
}

static uint64_t devices(struct fixture *fixture)
{
	struct ks_store_figures figures;

	ks_store_figures(fixture->store, &figures);
	return figures.devices;
}

static void the_certificate_is_of_this_store(void **state)
{
	struct fixture *fixture = *state;
	X509 *certificate = certificate_of(fixture->store);
	X509_NAME *name = X509_get_subject_name(certificate);
	char text[64], want[64];
	int days, seconds;

	X509_NAME_get_text_by_NID(name, NID_commonName, text, sizeof(text));
	snprintf(want, sizeof(want), "Keyward intake %02x%02x%02x%02x", fixture->store->id[0],
		fixture->store->id[1], fixture->store->id[2], fixture->store->id[3]);
	assert_string_equal(text, want);
	assert_int_equal(X509_get_key_usage(certificate), KU_KEY_AGREEMENT);
	assert_int_equal(X509_check_ca(certificate), 0);
	assert_int_equal(X509_verify(certificate, X509_get0_pubkey(certificate)), 1);
	assert_int_equal(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate),
				 X509_get0_notAfter(certificate)),
		1);
	assert_int_equal(days, 7305);
	X509_free(certificate);
}

static void stores_what_was_sealed(void **state)
{
	struct fixture *fixture = *state;
	struct envelope envelope = seal_rows(fixture, rows);
	struct outcome outcome = {
		.import.policy = {
			.net_id_count = 1, .net_ids = {{{0, 0, 0x13}}}, .name = "not this one"}};
	const struct lw_device_id first = fixture_id(1), second = fixture_id(2);
	struct ks_device device;
	struct ks_txn *txn = fixture_begin(fixture);

	assert_int_equal(import_into(txn, &envelope, &outcome), KW_OK);
	assert_int_equal(outcome.import.rows, 2);
	assert_int_equal(outcome.import.added, 2);
	assert_int_equal(outcome.import.refused, 0);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	fixture_reopen(fixture);
	txn = fixture_begin(fixture);
	assert_int_equal(ks_device_get(txn, &first, &device), KW_OK);
	assert_string_equal(device.policy.name, "first");
	assert_int_equal(device.policy.net_id_count, 1);
	assert_int_equal(device.origin, KS_ORIGIN_IMPORTED);
	assert_int_equal(device.version, LW_VERSION_1_0_3);
	assert_int_equal(ks_device_get(txn, &second, &device), KW_OK);
	assert_int_equal(device.version, LW_VERSION_1_1);
	ks_txn_abort(txn);
	drop(&envelope);
}

static void what_is_there_already_is_left(void **state)
{
	struct fixture *fixture = *state;
	struct envelope envelope = seal_rows(fixture, rows);
	struct outcome outcome = {
		.import.policy = {.net_id_count = 1, .net_ids = {{{0, 0, 0x13}}}}};
	const struct lw_device_id first = fixture_id(1);
	struct ks_device before, after;
	struct ks_txn *txn = fixture_begin(fixture);

	assert_int_equal(import_into(txn, &envelope, &outcome), KW_OK);
	assert_int_equal(outcome.import.added, 2);
	assert_int_equal(ks_device_get(txn, &first, &before), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	outcome.import.policy.net_id_count = 0;
	for (int dry = 0; dry <= 1; dry++) {
		outcome.import.dry_run = dry != 0;
		txn = fixture_begin(fixture);
		assert_int_equal(import_into(txn, &envelope, &outcome), KW_OK);
		assert_int_equal(outcome.import.rows, 2);
		assert_int_equal(outcome.import.already, 2);
		assert_int_equal(outcome.import.added, 0);
		assert_int_equal(outcome.import.refused, 0);
		assert_false(txn->dirty);
		assert_false(fixture->store->root->open);
		assert_int_equal(ks_device_get(txn, &first, &after), KW_OK);
		assert_memory_equal(&after, &before, sizeof(after));
		ks_txn_abort(txn);
	}
	drop(&envelope);
}

/* The second device of `rows`, and then with one thing changed. */
static const char *const others[] = {
	"70b3d57ed0000001,0004a30b00000002,1.1,"
	"3e84d1709bc5f2164ad7e0836c1f95b8,c7052f9e81d64ba30e7af5d1926c38b4,\n",
	"70b3d57ed0000000,0004a30b00000002,1.1,"
	"3e84d1709bc5f2164ad7e0836c1f95b9,c7052f9e81d64ba30e7af5d1926c38b4,\n",
	"70b3d57ed0000000,0004a30b00000002,1.1,"
	"3e84d1709bc5f2164ad7e0836c1f95b8,47052f9e81d64ba30e7af5d1926c38b4,\n",
	"70b3d57ed0000000,0004a30b00000002,1.1,"
	"c7052f9e81d64ba30e7af5d1926c38b4,3e84d1709bc5f2164ad7e0836c1f95b8,\n",
	"70b3d57ed0000000,0004a30b00000002,1.0.4,3e84d1709bc5f2164ad7e0836c1f95b8,,\n",
	"70b3d57ed0000000,0004a30b00000001,1.0.4,9f1c27e845d06ab3718e52fc0d94b6a1,,\n",
	"70b3d57ed0000000,0004a30b00000001,1.0.3,9f1c27e845d06ab3718e52fc0d94b6a0,,\n",
};

static void another_key_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct envelope envelope = seal_rows(fixture, rows);
	struct outcome outcome = {0};
	struct ks_txn *txn = fixture_begin(fixture);

	assert_int_equal(import_into(txn, &envelope, &outcome), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	drop(&envelope);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		envelope = seal_rows(fixture, others[i]);
		txn = fixture_begin(fixture);
		assert_int_equal(import_into(txn, &envelope, &outcome), KW_OK);
		assert_int_equal(outcome.import.refused, 1);
		assert_int_equal(outcome.import.already, 0);
		assert_int_equal(outcome.import.added, 0);
		assert_int_equal(outcome.problems[0].line, 2);
		assert_int_equal(outcome.problems[0].err, KW_E_EXISTS);
		assert_non_null(strstr(outcome.problems[0].text,
			" is there already with another JoinEUI, version or key: remove it first"));
		assert_false(txn->dirty);
		ks_txn_abort(txn);
		drop(&envelope);
	}
}

static void a_dry_run_writes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct envelope envelope = seal_rows(fixture, rows);
	struct outcome outcome = {.import.dry_run = true};
	struct ks_txn *txn = fixture_begin(fixture);

	assert_int_equal(import_into(txn, &envelope, &outcome), KW_OK);
	assert_int_equal(outcome.import.added, 2);
	assert_false(txn->dirty);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	assert_int_equal(devices(fixture), 0);
	txn = fixture_begin(fixture);
	assert_int_equal(fixture_add(txn, 2, LW_VERSION_1_0_3, 1), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	txn = fixture_begin(fixture);
	assert_int_equal(import_into(txn, &envelope, &outcome), KW_OK);
	assert_int_equal(outcome.import.added, 1);
	assert_int_equal(outcome.import.refused, 1);
	assert_int_equal(outcome.problems[0].err, KW_E_EXISTS);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	assert_int_equal(devices(fixture), 1);
	drop(&envelope);
}

static const char mixed[] = "70b3d57ed0000000,0004a30b00000001,1.0.3,"
			    "9f1c27e845d06ab3718e52fc0d94b6a1,,\n"
			    "70b3d57ed0000000,0004a30b0000000,1.0.3,"
			    "4b7ad0e9163f85c2d81e69a3f7052bc4,,\n"
			    "70b3d57ed0000000,0004a30b00000003,1.0.3,"
			    "e05c91b7283da46ff1926ed8047bc35a,,\n"
			    "70b3d57ed0000000,0004a30b00000004,1.0.3,"
			    "16f8a3ce7d209b54e8b1430fc6d57a92,,\n";

static void one_bad_row_stores_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct envelope envelope = seal_rows(fixture, mixed);
	struct outcome outcome = {0};
	struct ks_txn *txn = fixture_begin(fixture);

	assert_int_equal(fixture_add(txn, 4, LW_VERSION_1_0_3, 1), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	txn = fixture_begin(fixture);
	assert_int_equal(import_into(txn, &envelope, &outcome), KW_OK);
	assert_int_equal(outcome.import.rows, 4);
	assert_int_equal(outcome.import.refused, 2);
	assert_int_equal(outcome.import.added, 0);
	assert_int_equal(outcome.problems[0].line, 3);
	assert_int_equal(outcome.problems[1].line, 5);
	assert_int_equal(outcome.problems[1].err, KW_E_EXISTS);
	ks_txn_abort(txn);
	assert_int_equal(devices(fixture), 1);
	drop(&envelope);
}

static void errors_can_be_skipped(void **state)
{
	struct fixture *fixture = *state;
	struct envelope envelope = seal_rows(fixture, mixed);
	struct outcome outcome = {.import.skip_errors = true};
	struct ks_txn *txn = fixture_begin(fixture);

	assert_int_equal(fixture_add(txn, 4, LW_VERSION_1_0_3, 1), KW_OK);
	assert_int_equal(import_into(txn, &envelope, &outcome), KW_OK);
	assert_int_equal(outcome.import.refused, 2);
	assert_int_equal(outcome.import.added, 2);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	assert_int_equal(devices(fixture), 3);
	drop(&envelope);
}

static void what_is_no_device_file_is_refused(void **state)
{
	static const char *const files[] = {"", "\n", "rubbish", "a,b\n1,2\n", "\x01\x02\x03\x04"};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct envelope envelope = seal(fixture, files[i], strlen(files[i]));
		struct outcome outcome = {0};
		struct ks_txn *txn = fixture_begin(fixture);

		assert_int_equal(import_into(txn, &envelope, &outcome), KW_E_SYNTAX);
		assert_true(outcome.import.why[0] != '\0');
		ks_txn_abort(txn);
		drop(&envelope);
	}
}

static void assert_refused(struct fixture *fixture, const uint8_t *der, size_t length)
{
	char why[PR_TEXT_SIZE] = "";
	struct ks_plain plain;

	assert_int_equal(ks_envelope_open(fixture->store, der, length, &plain, why), KW_E_ENVELOPE);
	assert_null(plain.octets);
	assert_true(why[0] != '\0');
	assert_int_equal(ERR_peek_error(), 0);
}

static void a_cut_envelope_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct envelope envelope = seal_rows(fixture, rows);
	uint8_t *longer = malloc(envelope.length + 1);

	assert_non_null(longer);
	for (size_t length = 0; length < envelope.length; length++) {
		/* A copy of its own, so that reading behind its end is seen. */
		uint8_t *cut = malloc(length + (length == 0));

		assert_non_null(cut);
		memcpy(cut, envelope.der, length);
		assert_refused(fixture, cut, length);
		free(cut);
	}
	memcpy(longer, envelope.der, envelope.length);
	longer[envelope.length] = 0;
	assert_refused(fixture, longer, envelope.length + 1);
	free(longer);
	drop(&envelope);
}

/* Some octets have no bearing on the content (e.g. a version number): then it opens unchanged. */
static void a_changed_envelope_is_refused_or_the_same(void **state)
{
	struct fixture *fixture = *state;
	struct envelope envelope = seal_rows(fixture, rows);
	unsigned refused = 0, same = 0;
	struct ks_plain good;
	char why[PR_TEXT_SIZE];

	assert_int_equal(
		ks_envelope_open(fixture->store, envelope.der, envelope.length, &good, why), KW_OK);
	for (size_t bit = 0; bit < 8 * envelope.length; bit++) {
		struct ks_plain plain;
		enum kw_err err;

		envelope.der[bit / 8] ^= (uint8_t)(1 << bit % 8);
		err = ks_envelope_open(fixture->store, envelope.der, envelope.length, &plain, why);
		if (err == KW_OK) {
			assert_int_equal(plain.length, good.length);
			assert_memory_equal(plain.octets, good.octets, good.length);
			same++;
		} else {
			assert_int_equal(err, KW_E_ENVELOPE);
			refused++;
		}
		ks_plain_free(&plain);
		envelope.der[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(refused > 20 * same);
	ks_plain_free(&good);
	drop(&envelope);
}

/* The tag is the last 16 octets; content and tag are what a stranger could try to change. */
static void content_and_tag_are_authentic(void **state)
{
	struct fixture *fixture = *state;
	struct envelope envelope = seal_rows(fixture, rows);
	const size_t sealed = sizeof(header) - 1 + sizeof(rows) - 1 + 2 + 16;

	for (size_t i = 0; i < 16; i++) {
		envelope.der[envelope.length - 1 - i] ^= 0x80;
		assert_refused(fixture, envelope.der, envelope.length);
		envelope.der[envelope.length - 1 - i] ^= 0x80;
	}
	for (size_t i = 18; i < sealed; i++) {
		envelope.der[envelope.length - 1 - i] ^= 0x01;
		assert_refused(fixture, envelope.der, envelope.length);
		envelope.der[envelope.length - 1 - i] ^= 0x01;
	}
	drop(&envelope);
}

/* Take octets off the end of the tag and mend every length around it. */
static void shorten_tag(struct envelope *envelope, uint8_t by)
{
	uint8_t *tag = envelope->der + envelope->length - 18;

	assert_int_equal(tag[0], 0x04);
	assert_int_equal(tag[1], 16);
	tag[1] = (uint8_t)(16 - by);
	envelope->length -= by;
	for (size_t at = 0; at < 64; at++) {
		uint8_t *length = envelope->der + at + 2;
		const size_t octets = (size_t)(length[0] << 8 | length[1]);

		if (envelope->der[at + 1] == 0x82 && at + 4 + octets == envelope->length + by) {
			length[0] = (uint8_t)((octets - by) >> 8);
			length[1] = (uint8_t)(octets - by);
		}
	}
}

static void a_short_tag_is_refused(void **state)
{
	struct fixture *fixture = *state;

	for (uint8_t by = 1; by <= 16; by++) {
		struct envelope envelope = seal_rows(fixture, rows);

		shorten_tag(&envelope, by);
		assert_refused(fixture, envelope.der, envelope.length);
		drop(&envelope);
	}
}

static void other_ciphers_are_refused(void **state)
{
	struct fixture *fixture = *state;
	const EVP_CIPHER *const ciphers[] = {EVP_aes_256_cbc(), EVP_aes_128_cbc(),
		EVP_des_ede3_cbc(), EVP_aes_128_gcm(), EVP_aes_192_gcm()};
	X509 *certificate = certificate_of(fixture->store);

	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		struct envelope envelope = seal_as(certificate, rows, strlen(rows), ciphers[i]);

		assert_refused(fixture, envelope.der, envelope.length);
		drop(&envelope);
	}
	X509_free(certificate);
}

static void what_is_for_others_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct envelope envelope = seal_rows(fixture, rows);
	char path[128];

	fixture_close(fixture);
	unlink(fixture_file(fixture, "data.mdb", path));
	assert_int_equal(ks_store_create(&fixture->options, &fixture->master), KW_OK);
	fixture_open(fixture);
	assert_refused(fixture, envelope.der, envelope.length);
	drop(&envelope);
}

static void an_envelope_holds_at_most_a_mebibyte(void **state)
{
	struct fixture *fixture = *state;
	char *text = malloc(KS_PLAIN_MAX + 2 * 65536);
	char why[PR_TEXT_SIZE];
	struct ks_plain plain;
	struct envelope envelope;

	assert_non_null(text);
	memset(text, 'x', KS_PLAIN_MAX + 2 * 65536);
	envelope = seal(fixture, text, KS_PLAIN_MAX);
	assert_int_equal(
		ks_envelope_open(fixture->store, envelope.der, envelope.length, &plain, why),
		KW_OK);
	assert_int_equal(plain.length, KS_PLAIN_MAX);
	ks_plain_free(&plain);
	drop(&envelope);
	envelope = seal(fixture, text, KS_PLAIN_MAX + 1);
	assert_refused(fixture, envelope.der, envelope.length);
	drop(&envelope);
	envelope = seal(fixture, text, KS_PLAIN_MAX + 2 * 65536);
	assert_refused(fixture, envelope.der, envelope.length);
	drop(&envelope);
	free(text);
}

static void a_kek_comes_sealed(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = {.kind = KS_PEER_AS, .name = "a", .as_id = "a"};
	const struct lw_key key = fixture_key(5);
	const struct lw_key *const keys[] = {&key};
	uint8_t kek[33], out[1][LW_WRAPPED_SIZE], want[LW_WRAPPED_SIZE];
	struct ks_txn *txn = fixture_begin(fixture);

	memset(kek, 0x4b, sizeof(kek));
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	for (size_t length = 0; length <= sizeof(kek); length++) {
		struct envelope envelope = seal(fixture, kek, length);
		const bool good = length == 16 || length == 24 || length == 32;
		char label[8];

		snprintf(label, sizeof(label), "l%zu", length);
		assert_int_equal(
			ks_intake_kek(fixture->store, &peer, label, envelope.der, envelope.length),
			good ? KW_OK : KW_E_LENGTH);
		if (good) {
			assert_int_equal(ks_intake_kek(fixture->store, &peer, label, envelope.der,
						 envelope.length),
				KW_E_EXISTS);
			assert_int_equal(ks_intake_kek(fixture->store, &peer, "\t", envelope.der,
						 envelope.length),
				KW_E_INVALID);
		}
		envelope.der[envelope.length - 1] ^= 1;
		assert_int_equal(ks_intake_kek(fixture->store, &peer, "other", envelope.der,
					 envelope.length),
			KW_E_ENVELOPE);
		drop(&envelope);
	}
	assert_int_equal(peer.kek_count, 3);
	assert_int_equal(peer.kek_current, 3);
	assert_int_equal(ks_peer_wrap(fixture->store, &peer, &peer.keks[2], keys, 1, out), KW_OK);
	assert_int_equal(lw_wrap(fixture->store->aes, kek, 32, key.octets, 16, want), KW_OK);
	assert_memory_equal(out[0], want, sizeof(want));
	ks_txn_abort(txn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_certificate_is_of_this_store, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			stores_what_was_sealed, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			what_is_there_already_is_left, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			another_key_is_refused, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_dry_run_writes_nothing, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			one_bad_row_stores_nothing, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			errors_can_be_skipped, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			what_is_no_device_file_is_refused, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_cut_envelope_is_refused, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_changed_envelope_is_refused_or_the_same, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			content_and_tag_are_authentic, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_short_tag_is_refused, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			other_ciphers_are_refused, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			what_is_for_others_is_refused, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			an_envelope_holds_at_most_a_mebibyte, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(a_kek_comes_sealed, fixture_store, fixture_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
