#include "tests/fuzz/patch.h"

#include <string.h>

#define FILL 255

void patch_apply(struct parts *parts, void *out, size_t length)
{
	uint8_t head[3], octets[FILL];

	while (parts->taken < parts->vault_length) {
		size_t place, count;

		parts_take(parts, head, sizeof(head));
		place = (size_t)(head[0] | head[1] << 8) % length;
		if (head[2] == 0) {
			return;
		}
		if (head[2] == FILL) {
			parts_take(parts, octets, 1);
			memset((uint8_t *)out + place, octets[0], length - place);
			continue;
		}
		count = head[2] < length - place ? head[2] : length - place;
		parts_take(parts, octets, head[2]);
		memcpy((uint8_t *)out + place, octets, count);
	}
}
