#include "tests/bench/schedule.h"

#define US_PER_S 1000000u

void schedule_init(struct schedule *schedule, uint32_t rate, uint64_t begin_us,
	uint64_t duration_us, uint64_t count)
{
	*schedule = (struct schedule){
		.rate = rate,
		.begin_us = begin_us,
		.end_us = begin_us + duration_us,
		.count = count,
	};
}

uint64_t schedule_next_us(const struct schedule *schedule, uint64_t now_us)
{
	uint64_t due_us = schedule->begin_us;

	if (schedule->taken >= schedule->count) {
		return UINT64_MAX;
	}
	if (schedule->rate == 0) {
		return now_us < schedule->end_us ? due_us : UINT64_MAX;
	}
	/* From the number, not from the one before: nothing adds up over a long run. */
	due_us += schedule->taken * US_PER_S / schedule->rate;
	return due_us < schedule->end_us ? due_us : UINT64_MAX;
}

bool schedule_take(struct schedule *schedule, uint64_t now_us, uint64_t *due_us)
{
	uint64_t next_us = schedule_next_us(schedule, now_us);

	if (next_us > now_us) {
		return false;
	}
	*due_us = schedule->rate == 0 ? now_us : next_us;
	schedule->taken++;
	return true;
}
