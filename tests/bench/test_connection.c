#include "tests/bench/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct connection some[4];

static struct connection_queue filled(void)
{
	struct connection_queue queue = {NULL, NULL};

	for (unsigned i = 0; i < 4; i++) {
		connection_queue_push(&queue, &some[i]);
	}
	return queue;
}

/* What is left comes in order, and one that is pushed now comes last. */
static void assert_left(struct connection_queue *queue, const unsigned *expected, unsigned count)
{
	struct connection last;

	connection_queue_push(queue, &last);
	for (unsigned i = 0; i < count; i++) {
		assert_ptr_equal(connection_queue_pop(queue), &some[expected[i]]);
	}
	assert_ptr_equal(connection_queue_pop(queue), &last);
	assert_null(queue->first);
}

static void test_first_in_first_out(void **state)
{
	struct connection_queue queue = filled();

	(void)state;
	assert_left(&queue, (const unsigned[]){0, 1, 2, 3}, 4);
	assert_left(&queue, NULL, 0);
}

static void test_one_is_taken_out(void **state)
{
	static const unsigned left[][3] = {{1, 2, 3}, {0, 2, 3}, {0, 1, 3}, {0, 1, 2}};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct connection_queue queue = filled();

		connection_queue_remove(&queue, &some[i]);
		connection_queue_remove(&queue, &some[i]);
		assert_left(&queue, left[i], 3);
	}
}

static void test_the_only_one_is_taken_out(void **state)
{
	struct connection_queue queue = {NULL, NULL};

	(void)state;
	connection_queue_remove(&queue, &some[0]);
	connection_queue_push(&queue, &some[0]);
	connection_queue_remove(&queue, &some[0]);
	assert_left(&queue, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_in_first_out),
		cmocka_unit_test(test_one_is_taken_out),
		cmocka_unit_test(test_the_only_one_is_taken_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
