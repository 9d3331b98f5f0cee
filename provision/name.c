#include "provision/name.h"

#include <string.h>

#define LEAD_2 0xc2u
#define LEAD_3 0xe0u
#define LEAD_4 0xf0u

/* Length of the well-formed character at this place, 0 if there is none (RFC 3629). */
static size_t character(const unsigned char *text, size_t length)
{
	size_t size;
	unsigned low = 0x80;
	unsigned high = 0xbf;

	if (text[0] < 0x80) {
		return 1;
	}
	if (text[0] < LEAD_2 || text[0] > 0xf4) {
		return 0;
	}
	size = text[0] < LEAD_3 ? 2 : text[0] < LEAD_4 ? 3 : 4;
	if (text[0] == LEAD_3) {
		low = 0xa0; /* longer than needed below */
	} else if (text[0] == 0xed) {
		high = 0x9f; /* surrogates above */
	} else if (text[0] == LEAD_4) {
		low = 0x90;
	} else if (text[0] == 0xf4) {
		high = 0x8f; /* beyond U+10FFFF */
	}
	if (length < size || text[1] < low || text[1] > high) {
		return 0;
	}
	for (size_t i = 2; i < size; i++) {
		if (text[i] < 0x80 || text[i] > 0xbf) {
			return 0;
		}
	}
	return size;
}

static bool is_control(const unsigned char *text, size_t size)
{
	return (size == 1 && (text[0] < ' ' || text[0] == 0x7f)) ||
	       (size == 2 && text[0] == LEAD_2 && text[1] < 0xa0);
}

void pr_name_copy(char out[PR_NAME_SIZE], const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t used = 0;

	while (length > 0) {
		const size_t size = character(at, length);
		const size_t taken = size == 0 ? 1 : size;
		const bool plain = size > 0 && !is_control(at, size);

		if (used + (plain ? size : 1) >= PR_NAME_SIZE) {
			break;
		}
		if (plain && (used > 0 || *at != ' ')) {
			memcpy(out + used, at, size);
			used += size;
		} else if (size == 0) {
			out[used++] = '?';
		} else if (used > 0) {
			out[used++] = ' ';
		}
		at += taken;
		length -= taken;
	}
	while (used > 0 && out[used - 1] == ' ') {
		used--;
	}
	memset(out + used, 0, PR_NAME_SIZE - used);
}
