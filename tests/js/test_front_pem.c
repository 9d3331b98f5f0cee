#include "js/front_pem.h"
#include "tests/http/ca.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* What --check-files finds good, a front that is started with it must be able to serve with. */

struct texts {
	char *root, *leaf, *leaf_key, *root_key;
};

static int make(void **state)
{
	static struct texts texts;
	struct ca_cert root, leaf;

	ca_make_root(&root, "the root");
	ca_make_client(&leaf, &root, "a leaf");
	texts = (struct texts){ca_pem(&root), ca_pem(&leaf), ca_key_pem(&leaf), ca_key_pem(&root)};
	ca_free(&leaf);
	ca_free(&root);
	*state = &texts;
	return 0;
}

static int forget(void **state)
{
	struct texts *texts = *state;

	free(texts->root);
	free(texts->leaf);
	free(texts->leaf_key);
	free(texts->root_key);
	return 0;
}

static void good_ones(void **state)
{
	const struct texts *texts = *state;
	const struct js_front_files none = {.tls_key = NULL};
	const struct js_front_files all = {
		.tls_certificate = texts->leaf,
		.tls_key = texts->leaf_key,
		.client_ca = texts->root,
		.answer_certificate = texts->leaf,
		.answer_key = texts->leaf_key,
		.answer_ca = texts->root,
	};

	assert_int_equal(js_front_pem_check(&none), KW_OK);
	assert_int_equal(js_front_pem_check(&all), KW_OK);
}

static void pairs_that_are_none(void **state)
{
	const struct texts *texts = *state;
	const struct js_front_files half = {.tls_certificate = texts->leaf};
	const struct js_front_files other = {
		.tls_certificate = texts->leaf, .tls_key = texts->root_key};
	const struct js_front_files answers = {
		.answer_certificate = texts->leaf, .answer_key = texts->root_key};

	assert_int_equal(js_front_pem_check(&half), KW_E_INVALID);
	assert_int_equal(js_front_pem_check(&other), KW_E_INVALID);
	assert_int_equal(js_front_pem_check(&answers), KW_E_INVALID);
}

/* The server's library refuses it, so the check must. */
static void client_ca_that_is_no_ca(void **state)
{
	const struct texts *texts = *state;
	const struct js_front_files files = {.client_ca = texts->leaf};

	assert_int_equal(js_front_pem_check(&files), KW_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones),
		cmocka_unit_test(pairs_that_are_none),
		cmocka_unit_test(client_ca_that_is_no_ca),
	};

	return cmocka_run_group_tests(tests, make, forget);
}
