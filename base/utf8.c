#include "base/utf8.h"

size_t kw_utf8_length(const unsigned char *at)
{
	static const struct {
		unsigned char first_min, first_max, second_min, second_max;
		unsigned char length;
	} forms[] = {
		{0xc2, 0xc2, 0xa0, 0xbf, 2},
		{0xc3, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t length = 2;

		if (at[0] < forms[i].first_min || at[0] > forms[i].first_max) {
			continue;
		}
		if (at[1] < forms[i].second_min || at[1] > forms[i].second_max) {
			return 0;
		}
		while (length < forms[i].length && at[length] >= 0x80 && at[length] <= 0xbf) {
			length++;
		}
		return length == forms[i].length ? length : 0;
	}
	return 0;
}
