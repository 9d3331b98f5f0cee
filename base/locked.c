#include "base/locked.h"

#include "base/log.h"
#include "base/secret.h"

#include <sys/mman.h>

static void lock_pages(void *memory, size_t size)
{
	static bool told;

	if (mlock(memory, size) != 0 && !told) {
		told = true;
		kw_log(KW_LOG_WARNING, "process",
			"cannot keep keys out of swap: raise the limit on locked memory",
			KW_ERRNO());
	}
}

void *kw_locked_create(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		return NULL;
	}
	if (madvise(memory, size, MADV_DONTDUMP) != 0 ||
		madvise(memory, size, MADV_DONTFORK) != 0) {
		munmap(memory, size);
		return NULL;
	}
	lock_pages(memory, size);
	return memory;
}

void kw_locked_destroy(void *memory, size_t size)
{
	if (memory == NULL) {
		return;
	}
	kw_wipe(memory, size);
	munmap(memory, size);
}
