#include "tests/fuzz/der.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>

#define NODES_MAX   256
#define HEADER_MAX  6
#define CONSTRUCTED 0x20

/* An element: its place, its contents' place, its end, and in which one it lies. */
struct node {
	size_t start, contents, end;
	size_t parent; /* NODES_MAX: none */
};

struct tree {
	const uint8_t *data;
	size_t count;
	struct node nodes[NODES_MAX];
};

/* @return whether an element begins here that ends before `end`; tags of one octet only */
static bool node_read(const uint8_t *data, size_t at, size_t end, struct node *node)
{
	size_t length, octets;

	if (end - at < 2) {
		return false;
	}
	node->start = at;
	length = data[at + 1];
	node->contents = at + 2;
	if (length >= 0x80) {
		octets = length & 0x7f;
		length = 0;
		if (octets == 0 || octets > 4 || octets > end - at - 2) {
			return false;
		}
		for (size_t i = 0; i < octets; i++) {
			length = length << 8 | data[at + 2 + i];
		}
		node->contents += octets;
	}
	node->end = node->contents + length;
	return length <= end - node->contents;
}

/* Breadth first: each element is looked into once it is in the list. */
static void tree_read(struct tree *tree, const uint8_t *data, size_t size)
{
	size_t at = 0, end = size, parent = NODES_MAX;

	tree->data = data;
	tree->count = 0;
	for (size_t next = 0;; next++) {
		struct node node = {.parent = parent};

		while (at < end && tree->count < NODES_MAX && node_read(data, at, end, &node)) {
			tree->nodes[tree->count++] = node;
			at = node.end;
		}
		while (next < tree->count && (data[tree->nodes[next].start] & CONSTRUCTED) == 0) {
			next++;
		}
		if (next >= tree->count) {
			return;
		}
		parent = next;
		at = tree->nodes[next].contents;
		end = tree->nodes[next].end;
	}
}

static size_t header_write(uint8_t out[HEADER_MAX], uint8_t tag, size_t length)
{
	size_t octets = 0;

	out[0] = tag;
	if (length < 0x80) {
		out[1] = (uint8_t)length;
		return 2;
	}
	for (size_t left = length; left > 0; left >>= 8) {
		octets++;
	}
	out[1] = (uint8_t)(0x80 | octets);
	for (size_t i = 0; i < octets; i++) {
		out[2 + i] = (uint8_t)(length >> 8 * (octets - 1 - i));
	}
	return 2 + octets;
}

static void append(uint8_t *out, size_t *used, const uint8_t *octets, size_t length)
{
	memcpy(out + *used, octets, length);
	*used += length;
}

/* What stands in place of the chosen element. `out` has room for twice the data. */
static size_t replacement(
	const struct tree *tree, const struct node *node, unsigned seed, uint8_t *out)
{
	const struct node *other = &tree->nodes[seed / 8 % tree->count];
	size_t whole = node->end - node->start, contents = node->end - node->contents, used = 0;

	switch (seed % 6) {
	case 0: /* left out */
		break;
	case 1: /* repeated */
		append(out, &used, tree->data + node->start, whole);
		append(out, &used, tree->data + node->start, whole);
		break;
	case 2: /* another one */
		append(out, &used, tree->data + other->start, other->end - other->start);
		break;
	case 3: /* another tag */
		append(out, &used, tree->data + node->start, whole);
		out[0] = (uint8_t)(seed >> 8);
		break;
	case 4: /* cut */
		contents = contents > 0 ? seed / 64 % contents : 0;
		used = header_write(out, tree->data[node->start], contents);
		append(out, &used, tree->data + node->contents, contents);
		break;
	default: /* another length */
		used = header_write(
			out, tree->data[node->start], contents ^ (1u << seed / 64 % 12));
		append(out, &used, tree->data + node->contents, contents);
		break;
	}
	return used;
}

/* Put what replaces an element into the one around it. @return its new size */
static size_t wrap(const struct tree *tree, const struct node *inner, const struct node *outer,
	const uint8_t *octets, size_t length, uint8_t *out)
{
	const size_t before = inner->start - outer->contents, after = outer->end - inner->end;
	size_t used = header_write(out, tree->data[outer->start], before + length + after);

	append(out, &used, tree->data + outer->contents, before);
	append(out, &used, octets, length);
	append(out, &used, tree->data + inner->end, after);
	return used;
}

size_t fuzz_der_mutate(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	struct tree tree;
	uint8_t *work, *spare;
	const struct node *node;
	size_t length, after;

	tree_read(&tree, data, size);
	if (tree.count == 0) {
		return 0;
	}
	/* Each level around adds at most its header anew. */
	work = malloc(2 * size + (NODES_MAX + 1) * HEADER_MAX);
	spare = malloc(2 * size + (NODES_MAX + 1) * HEADER_MAX);
	fuzz_require(work != NULL && spare != NULL);
	node = &tree.nodes[seed / 16 % tree.count];
	length = replacement(&tree, node, seed, work);
	while (node->parent < NODES_MAX) {
		uint8_t *swap = work;

		length = wrap(&tree, node, &tree.nodes[node->parent], work, length, spare);
		work = spare;
		spare = swap;
		node = &tree.nodes[node->parent];
	}
	after = size - node->end;
	length = node->start + length + after <= max ? node->start + length + after : 0;
	if (length > 0) {
		memmove(data + length - after, data + node->end, after);
		memcpy(data + node->start, work, length - after - node->start);
	}
	free(work);
	free(spare);
	return length;
}
