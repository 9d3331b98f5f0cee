#include "js/descriptors.h"

#include <fcntl.h>
#include <unistd.h>

enum kw_err js_descriptors_place(int *fds, size_t count, int first)
{
	int behind = first + (int)count;

	/* Out of the way first, so that no dup2() below closes what is still to be placed. */
	for (size_t i = 0; i < count; i++) {
		if (fds[i] < behind) {
			fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, behind);
			if (fds[i] < 0) {
				return KW_E_SYSTEM;
			}
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (dup2(fds[i], first + (int)i) < 0) {
			return KW_E_SYSTEM;
		}
	}
	return close_range((unsigned)behind, ~0U, 0) == 0 ? KW_OK : KW_E_SYSTEM;
}
