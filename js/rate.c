#include "js/rate.h"

#include <stdlib.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)
#define GROW      64

/* More than any operator adds. An id above comes from a damaged page, which must not cost memory. */
#define PEERS_MAX (UINT32_C(1) << 20)

void js_rates_finish(struct js_rates *rates)
{
	free(rates->due_ns);
	*rates = (struct js_rates){0};
}

static bool reserve(struct js_rates *rates, uint32_t peer)
{
	size_t count = (size_t)peer + GROW;
	uint64_t *due_ns;

	if (peer < rates->count || peer >= PEERS_MAX) {
		return peer < rates->count;
	}
	due_ns = reallocarray(rates->due_ns, count, sizeof(*due_ns));
	if (due_ns == NULL) {
		return false;
	}
	memset(due_ns + rates->count, 0, (count - rates->count) * sizeof(*due_ns));
	rates->due_ns = due_ns;
	rates->count = count;
	return true;
}

bool js_rate_take(
	struct js_rates *rates, uint32_t peer, uint32_t rate, uint32_t burst, uint64_t now_us)
{
	const uint64_t now_ns = now_us * 1000;
	uint64_t each_ns, full_ns, due_ns;

	if (rate == 0 || !reserve(rates, peer)) {
		return true;
	}
	each_ns = SECOND_NS / rate;
	full_ns = each_ns * burst;
	due_ns = rates->due_ns[peer] > now_ns ? rates->due_ns[peer] : now_ns;
	if (due_ns + each_ns - now_ns > full_ns) {
		/* Under another rate it may have been filled for longer. */
		rates->due_ns[peer] = due_ns - now_ns < full_ns ? due_ns : now_ns + full_ns;
		return false;
	}
	rates->due_ns[peer] = due_ns + each_ns;
	return true;
}
