#include "cli/prefix.h"

#include <stdlib.h>

#define EUI_BITS 64

static uint64_t number_of(const struct lw_eui *eui)
{
	uint64_t number = 0;

	for (size_t i = 0; i < LW_EUI_SIZE; i++) {
		number = number << 8 | eui->octets[i];
	}
	return number;
}

static void eui_of(uint64_t number, struct lw_eui *eui)
{
	for (size_t i = LW_EUI_SIZE; i-- > 0; number >>= 8) {
		eui->octets[i] = (uint8_t)number;
	}
}

/* The bits behind a prefix, all set. */
static uint64_t behind(unsigned bits)
{
	return bits == 0 ? UINT64_MAX : (UINT64_C(1) << (EUI_BITS - bits)) - 1;
}

/* The shortest prefix that begins at `first` and ends at `last` or before. */
static unsigned shortest(uint64_t first, uint64_t last, unsigned step)
{
	unsigned bits = 0;

	while ((first & behind(bits)) != 0 || (first | behind(bits)) > last) {
		bits += step;
		if (bits == EUI_BITS) {
			break;
		}
	}
	return bits;
}

size_t cli_prefix_split(
	const struct lw_eui_range *range, unsigned step, struct cli_prefix *out, size_t max)
{
	const uint64_t last = number_of(&range->last);
	uint64_t at = number_of(&range->first);

	for (size_t count = 0; count < max; count++) {
		const unsigned bits = shortest(at, last, step);
		const uint64_t end = bits == EUI_BITS ? at : at | behind(bits);

		eui_of(at, &out[count].first);
		out[count].bits = bits;
		if (end == last) {
			return count + 1;
		}
		at = end + 1;
	}
	return max + 1;
}

static int compare(const void *a, const void *b)
{
	const struct lw_eui_range *left = a;
	const struct lw_eui_range *right = b;

	return lw_eui_compare(&left->first, &right->first);
}

size_t cli_range_unite(struct lw_eui_range *ranges, size_t count)
{
	size_t used = 0;

	qsort(ranges, count, sizeof(*ranges), compare);
	for (size_t i = 1; i < count; i++) {
		const uint64_t last = number_of(&ranges[used].last);

		if (last != UINT64_MAX && number_of(&ranges[i].first) > last + 1) {
			ranges[++used] = ranges[i];
		} else if (number_of(&ranges[i].last) > last) {
			ranges[used].last = ranges[i].last;
		}
	}
	return count == 0 ? 0 : used + 1;
}
