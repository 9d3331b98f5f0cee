#include "ipc/ipc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

/* The whole of a message in memory that ends where it ends, so that a sanitizer sees more. */
static enum kw_err check_exactly(const uint8_t *message, size_t length, bool to_vault)
{
	uint8_t *exact = malloc(length > 0 ? length : 1);
	enum kw_err err;

	assert_non_null(exact);
	memcpy(exact, message, length);
	err = ipc_message_check(exact, length, to_vault);
	free(exact);
	return err;
}

static void header_put(uint8_t *message, unsigned kind, unsigned count, size_t length, int err)
{
	struct ipc_header header = {
		.magic = IPC_MAGIC,
		.kind = (uint16_t)kind,
		.count = (uint16_t)count,
		.length = (uint32_t)length,
		.err = err,
		.number = 7,
	};

	memcpy(message, &header, sizeof(header));
}

static uint8_t *message_new(void)
{
	uint8_t *message = calloc(1, IPC_MESSAGE_MAX + 64);

	assert_non_null(message);
	return message;
}

static enum kw_err check_count(
	unsigned kind, bool to_vault, unsigned count, size_t bodies_length, int err)
{
	uint8_t *message = message_new();
	enum kw_err result;

	header_put(message, kind, count, bodies_length, err);
	result = check_exactly(message, sizeof(struct ipc_header) + bodies_length, to_vault);
	free(message);
	return result;
}

static bool goes_up(unsigned kind)
{
	return kind != IPC_HELLO;
}

static bool goes_down(unsigned kind)
{
	return kind != IPC_REPORT;
}

static void test_every_kind_has_a_name(void **state)
{
	(void)state;
	for (unsigned kind = IPC_HELLO; kind < IPC_KIND_COUNT; kind++) {
		assert_string_not_equal(ipc_kind_text(kind), "unknown");
	}
	assert_string_equal(ipc_kind_text(IPC_DEVICE_IMPORT), "DEVICE_IMPORT");
	assert_string_equal(ipc_kind_text(0), "unknown");
	assert_string_equal(ipc_kind_text(IPC_KIND_COUNT), "unknown");
	assert_string_equal(ipc_kind_text(UINT32_MAX), "unknown");
	assert_int_equal(ipc_body_size(IPC_KIND_COUNT, true), 0);
	assert_int_equal(ipc_body_size(IPC_STATUS, true), 0);
	assert_int_equal(ipc_body_size(IPC_STATUS, false), sizeof(struct ipc_status));
}

static void test_deliveries(void **state)
{
	uint8_t delivery = 99;

	(void)state;
	for (unsigned i = IPC_DELIVERY_DEFAULT; i <= IPC_DELIVERY_FETCH; i++) {
		assert_int_equal(ipc_delivery_read(ipc_delivery_text(i), &delivery), KW_OK);
		assert_int_equal(delivery, i);
	}
	assert_null(ipc_delivery_text(IPC_DELIVERY_FETCH + 1));
	assert_int_equal(ipc_delivery_read("INLINE", &delivery), KW_E_SYNTAX);
	assert_int_equal(ipc_delivery_read("", &delivery), KW_E_SYNTAX);
}

/* One message of each kind and direction at every length up to the greatest. */
static void test_only_the_exact_length_is_whole(void **state)
{
	uint8_t *message = message_new();

	(void)state;
	for (unsigned kind = 0; kind <= IPC_KIND_COUNT; kind++) {
		for (int to_vault = 0; to_vault < 2; to_vault++) {
			size_t body = ipc_body_size(kind, to_vault != 0);
			size_t whole = sizeof(struct ipc_header) + body;
			bool exists = kind > 0 && kind < IPC_KIND_COUNT &&
				      (to_vault ? goes_up(kind) : goes_down(kind));

			for (size_t length = 0; length <= IPC_MESSAGE_MAX + 8; length++) {
				enum kw_err err;

				if (length >= sizeof(struct ipc_header)) {
					header_put(message, kind, body > 0 ? 1 : 0,
						length - sizeof(struct ipc_header), 0);
				}
				err = ipc_message_check(message, length, to_vault != 0);
				if ((err == KW_OK) != (exists && length == whole)) {
					fail_msg("%s %d: %d at length %zu", ipc_kind_text(kind),
						to_vault, err, length);
				}
			}
		}
	}
	free(message);
}

/* The header says another length than there is. */
static void test_header_length_counts(void **state)
{
	uint8_t *message = message_new();
	size_t body = sizeof(struct ipc_device_req);
	const uint32_t wrong[] = {0, (uint32_t)body - 1, (uint32_t)body + 1, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		header_put(message, IPC_DEVICE_GET, 1, wrong[i], 0);
		assert_int_equal(check_exactly(message, sizeof(struct ipc_header) + body, true),
			KW_E_TRUNCATED);
	}
	header_put(message, IPC_DEVICE_GET, 1, body, 0);
	assert_int_equal(check_exactly(message, sizeof(struct ipc_header) + body, true), KW_OK);
	message[0] ^= 1;
	assert_int_equal(
		check_exactly(message, sizeof(struct ipc_header) + body, true), KW_E_INVALID);
	free(message);
}

static void test_short_of_a_header(void **state)
{
	uint8_t message[sizeof(struct ipc_header)];

	(void)state;
	header_put(message, IPC_STATUS, 0, 0, 0);
	for (size_t length = 0; length < sizeof(message); length++) {
		assert_int_equal(check_exactly(message, length, true), KW_E_TRUNCATED);
	}
	assert_int_equal(check_exactly(message, sizeof(message), true), KW_OK);
}

static void test_batches(void **state)
{
	size_t req = sizeof(struct ipc_backend_req);
	size_t ans = sizeof(struct ipc_backend_ans);

	(void)state;
	for (unsigned count = 1; count <= IPC_BATCH_MAX; count++) {
		assert_int_equal(check_count(IPC_BACKEND, true, count, count * req, 0), KW_OK);
		assert_int_equal(check_count(IPC_BACKEND, false, count, count * ans, 0), KW_OK);
		assert_int_equal(
			check_count(IPC_BACKEND, true, count, count * req - 1, 0), KW_E_TRUNCATED);
		assert_int_equal(
			check_count(IPC_BACKEND, true, count, count * req + 1, 0), KW_E_TRUNCATED);
	}
	assert_int_equal(check_count(IPC_BACKEND, true, 0, 0, 0), KW_E_INVALID);
	assert_int_equal(
		check_count(IPC_BACKEND, true, IPC_BATCH_MAX + 1, (IPC_BATCH_MAX + 1) * req, 0),
		KW_E_INVALID);
	assert_int_equal(check_count(IPC_BACKEND, true, UINT16_MAX, 0, 0), KW_E_INVALID);
	assert_int_equal(check_count(IPC_DEVICE_GET, true, 2, 2 * sizeof(struct ipc_device_req), 0),
		KW_E_INVALID);
	assert_int_equal(check_count(IPC_DEVICE_GET, true, 0, 0, 0), KW_E_INVALID);
	assert_int_equal(check_count(IPC_STATUS, true, 1, 0, 0), KW_E_INVALID);
}

static void test_errors(void **state)
{
	size_t ans = sizeof(struct ipc_device_ans);

	(void)state;
	assert_int_equal(check_count(IPC_DEVICE_GET, false, 0, 0, KW_E_NOT_FOUND), KW_OK);
	assert_int_equal(check_count(IPC_DEVICE_GET, false, 1, ans, KW_E_NOT_FOUND), KW_OK);
	assert_int_equal(check_count(IPC_BACKEND, false, 0, 0, KW_E_STORE), KW_OK);
	assert_int_equal(
		check_count(IPC_DEVICE_GET, false, 0, ans, KW_E_NOT_FOUND), KW_E_TRUNCATED);
	assert_int_equal(
		check_count(IPC_DEVICE_GET, false, 2, 2 * ans, KW_E_NOT_FOUND), KW_E_INVALID);
	assert_int_equal(check_count(IPC_DEVICE_GET, false, 0, 0, 0), KW_E_INVALID);
	/* a request is no error */
	assert_int_equal(check_count(IPC_STATUS, true, 0, 0, KW_E_STORE), KW_E_INVALID);
}

static void test_directions(void **state)
{
	(void)state;
	assert_int_equal(check_count(IPC_HELLO, false, 1, sizeof(struct ipc_hello), 0), KW_OK);
	assert_int_equal(
		check_count(IPC_HELLO, true, 1, sizeof(struct ipc_hello), 0), KW_E_INVALID);
	assert_int_equal(check_count(IPC_REPORT, true, 1, sizeof(struct ipc_report), 0), KW_OK);
	assert_int_equal(
		check_count(IPC_REPORT, false, 1, sizeof(struct ipc_report), 0), KW_E_INVALID);
	assert_int_equal(check_count(IPC_REPORT, false, 0, 0, KW_E_BUSY), KW_E_INVALID);
}

/* A body whose tail is said to have `said` octets and has `really`. */
static enum kw_err check_tail(
	unsigned kind, size_t length_at, uint32_t said, size_t really, bool to_vault)
{
	size_t body = ipc_body_size(kind, to_vault);
	uint8_t *message = message_new();
	enum kw_err err;

	header_put(message, kind, 1, body + really, 0);
	memcpy(message + sizeof(struct ipc_header) + length_at, &said, sizeof(said));
	err = check_exactly(message, sizeof(struct ipc_header) + body + really, to_vault);
	free(message);
	return err;
}

static void test_tails(void **state)
{
	const struct {
		unsigned kind;
		size_t at;
	} kinds[] = {
		{IPC_DEVICE_IMPORT, offsetof(struct ipc_import_req, envelope_length)},
		{IPC_PEER_ADD, offsetof(struct ipc_peer_req, kek_envelope_length)},
		{IPC_PEER_SET, offsetof(struct ipc_peer_req, kek_envelope_length)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		unsigned kind = kinds[i].kind;
		size_t at = kinds[i].at;

		assert_int_equal(check_tail(kind, at, 0, 0, true), KW_OK);
		assert_int_equal(check_tail(kind, at, 500, 500, true), KW_OK);
		assert_int_equal(
			check_tail(kind, at, IPC_ENVELOPE_MAX, IPC_ENVELOPE_MAX, true), KW_OK);
		assert_int_equal(
			check_tail(kind, at, IPC_ENVELOPE_MAX + 1, IPC_ENVELOPE_MAX + 1, true),
			KW_E_INVALID);
		assert_int_equal(check_tail(kind, at, 500, 499, true), KW_E_TRUNCATED);
		assert_int_equal(check_tail(kind, at, 500, 501, true), KW_E_TRUNCATED);
		assert_int_equal(check_tail(kind, at, 0, 1, true), KW_E_TRUNCATED);
		assert_int_equal(check_tail(kind, at, UINT32_MAX, 0, true), KW_E_INVALID);
		assert_int_equal(check_tail(kind, at, 1, 1, false), KW_E_TRUNCATED);
	}
	/* kinds that have no tail */
	assert_int_equal(check_tail(IPC_DEVICE_SET, 0, 5, 5, true), KW_E_TRUNCATED);
	assert_int_equal(check_tail(IPC_PEER_GET,
				 offsetof(struct ipc_peer_req, kek_envelope_length), 5, 5, true),
		KW_E_TRUNCATED);
}

/* `count` answers whose URLs are said to have `said` octets each and have `really` together. */
static enum kw_err check_urls(unsigned count, size_t said, size_t really)
{
	size_t bodies = count * sizeof(struct ipc_backend_ans);
	uint8_t *message = message_new();
	enum kw_err err;

	header_put(message, IPC_BACKEND, count, bodies + really, 0);
	for (size_t i = 0; i < count; i++) {
		struct ipc_backend_ans answer = {.answer_url_length = (uint16_t)said};

		memcpy(message + sizeof(struct ipc_header) + i * sizeof(answer), &answer,
			sizeof(answer));
	}
	err = check_exactly(message, sizeof(struct ipc_header) + bodies + really, false);
	free(message);
	return err;
}

static void test_urls(void **state)
{
	const size_t longest = IPC_URL_SIZE - 1;

	(void)state;
	assert_int_equal(check_urls(1, 20, 20), KW_OK);
	assert_int_equal(check_urls(1, longest, longest), KW_OK);
	assert_int_equal(check_urls(1, IPC_URL_SIZE, IPC_URL_SIZE), KW_E_INVALID);
	assert_int_equal(check_urls(1, UINT16_MAX, UINT16_MAX), KW_E_INVALID);
	assert_int_equal(check_urls(1, 0, 1), KW_E_TRUNCATED);
	assert_int_equal(check_urls(1, 1, 0), KW_E_TRUNCATED);
	assert_int_equal(check_urls(3, 20, 59), KW_E_TRUNCATED);
	assert_int_equal(check_urls(3, 20, 60), KW_OK);
	assert_int_equal(check_urls(3, 20, 61), KW_E_TRUNCATED);
	/* The largest batch with the longest URLs is one message. */
	assert_int_equal(check_urls(IPC_BATCH_MAX, longest, IPC_BATCH_MAX * longest), KW_OK);
	assert_int_equal(
		check_urls(IPC_BATCH_MAX, longest, IPC_BATCH_MAX * longest - 1), KW_E_TRUNCATED);
}

/* A length that only the last of several has. */
static void test_url_of_one_among_others(void **state)
{
	uint8_t *message = message_new();
	const size_t bodies = 3 * sizeof(struct ipc_backend_ans);
	const struct ipc_backend_ans last = {.answer_url_length = 7};

	(void)state;
	header_put(message, IPC_BACKEND, 3, bodies + 7, 0);
	memcpy(message + sizeof(struct ipc_header) + 2 * sizeof(last), &last, sizeof(last));
	assert_int_equal(
		check_exactly(message, sizeof(struct ipc_header) + bodies + 7, false), KW_OK);
	/* Requests have none. */
	header_put(message, IPC_BACKEND, 1, sizeof(struct ipc_backend_req) + 7, 0);
	assert_int_equal(
		check_exactly(message,
			sizeof(struct ipc_header) + sizeof(struct ipc_backend_req) + 7, true),
		KW_E_TRUNCATED);
	free(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_has_a_name),
		cmocka_unit_test(test_deliveries),
		cmocka_unit_test(test_only_the_exact_length_is_whole),
		cmocka_unit_test(test_header_length_counts),
		cmocka_unit_test(test_short_of_a_header),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_directions),
		cmocka_unit_test(test_tails),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_url_of_one_among_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
