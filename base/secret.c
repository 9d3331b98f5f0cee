#include "base/secret.h"

#include "base/log.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

void kw_wipe(void *memory, size_t length)
{
	if (memory != NULL) {
		OPENSSL_cleanse(memory, length);
	}
}

bool kw_equal_ct(const void *a, const void *b, size_t length)
{
	return CRYPTO_memcmp(a, b, length) == 0;
}

void kw_secret_process(void)
{
	const struct rlimit none = {0, 0};

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0 ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		kw_log(KW_LOG_ERROR, "process", "cannot protect the memory of this process",
			KW_ERRNO());
		exit(1);
	}
}
