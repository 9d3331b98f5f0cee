#include "http/client_memory.h"

#include "base/secret.h"

#include <curl/curl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void wipe_and_free(void *memory)
{
	kw_wipe(memory, malloc_usable_size(memory));
	free(memory);
}

/* realloc() may leave the old octets behind. */
static void *move(void *memory, size_t size)
{
	size_t old = malloc_usable_size(memory);
	void *larger;

	if (memory != NULL && size <= old && size >= old / 2) {
		return memory;
	}
	larger = malloc(size);
	if (larger != NULL && memory != NULL) {
		memcpy(larger, memory, size < old ? size : old);
		wipe_and_free(memory);
	}
	return larger;
}

enum kw_err http_client_memory_init(void)
{
	return curl_global_init_mem(
		       CURL_GLOBAL_DEFAULT, malloc, wipe_and_free, move, strdup, calloc) == CURLE_OK
		       ? KW_OK
		       : KW_E_NO_MEMORY;
}

void http_client_memory_finish(void)
{
	curl_global_cleanup();
}
