#include "tests/http/pem.h"

#include "tests/http/ca.h"

void pem_make(char **certificate, char **key)
{
	const struct ca_options options = {.name = "localhost"};
	struct ca_cert cert;

	ca_make(&cert, &options);
	*certificate = ca_pem(&cert);
	*key = ca_key_pem(&cert);
	ca_free(&cert);
}
