#include "tests/bench/connection.h"

void connection_queue_push(struct connection_queue *queue, struct connection *connection)
{
	connection->next = NULL;
	if (queue->first == NULL) {
		queue->first = connection;
	} else {
		queue->last->next = connection;
	}
	queue->last = connection;
}

struct connection *connection_queue_pop(struct connection_queue *queue)
{
	struct connection *connection = queue->first;

	queue->first = connection->next;
	return connection;
}

void connection_queue_remove(struct connection_queue *queue, const struct connection *connection)
{
	struct connection *before = NULL;
	struct connection *at = queue->first;

	while (at != NULL && at != connection) {
		before = at;
		at = at->next;
	}
	if (at == NULL) {
		return;
	}
	if (before == NULL) {
		queue->first = at->next;
	} else {
		before->next = at->next;
	}
	if (queue->last == at) {
		queue->last = before;
	}
}
