#include "cli/intake.h"

#include "cli/api.h"
#include "cli/text.h"
#include "provision/seal.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

/* Of this run; the daemon of one run is one daemon. */
static uint8_t *certificate;
static size_t certificate_length;

static int fetch(struct cli *cli, struct cli_reply *reply)
{
	struct cli_path path;

	cli_path_init(&path, "/intake-certificate");
	return cli_api_get(cli, &path, reply);
}

static bool read_pem(const char *text, size_t length)
{
	BIO *bio = BIO_new_mem_buf(text, (int)length);
	X509 *x509 = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
	unsigned char *der = NULL;
	const int der_length = x509 == NULL ? -1 : i2d_X509(x509, &der);

	X509_free(x509);
	BIO_free(bio);
	if (der_length <= 0) {
		return false;
	}
	certificate = der;
	certificate_length = (size_t)der_length;
	return true;
}

static int fetch_certificate(struct cli *cli)
{
	struct cli_reply reply;
	int status = fetch(cli, &reply);

	if (status == CLI_DONE && (reply.text == NULL || !read_pem(reply.text, reply.length))) {
		status = cli_fail("the intake certificate that keywardd sent cannot be read");
	}
	cli_reply_finish(&reply);
	return status;
}

int cli_intake_seal(
	struct cli *cli, const void *plain, size_t length, uint8_t **out, size_t *out_length)
{
	enum kw_err err;

	*out = NULL;
	*out_length = 0;
	if (certificate == NULL && fetch_certificate(cli) != CLI_DONE) {
		return CLI_FAILED;
	}
	err = pr_seal(certificate, certificate_length, plain, length, out, out_length);
	return err == KW_OK ? CLI_DONE
			    : cli_fail("sealing to the intake certificate: %s", kw_err_text(err));
}

static int run_certificate(struct cli *cli, int argc, char **argv);

static const struct cli_command intake_commands[] = {
	{"intake certificate", "print the intake certificate as PEM",
		"Usage: keyward intake certificate\n"
		"\n"
		"Prints the certificate to which root keys and KEKs are sealed, as PEM. A maker "
		"of\n"
		"devices can have it: it only lets keys in.\n"
		"\n"
		"Example:\n"
		"  keyward intake certificate > intake.pem\n"
		"  openssl cms -encrypt -binary -aes-256-gcm -outform PEM -in devices.csv \\\n"
		"    -out devices.cms -recip intake.pem -keyopt ecdh_kdf_md:sha256\n",
		run_certificate},
	{NULL, NULL, NULL, NULL},
};

static int run_certificate(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_COMMON_OPTIONS};
	struct cli_reply reply;
	int status;

	while (cli_next_option(cli, intake_commands, argc, argv, options) != -1) {
	}
	cli_want_words(intake_commands, argc, argv, 0, "");
	status = fetch(cli, &reply);
	if (status == CLI_DONE && reply.text != NULL) {
		fwrite(reply.text, 1, reply.length, stdout);
	}
	cli_reply_finish(&reply);
	return status;
}

int cli_intake(struct cli *cli, int argc, char **argv)
{
	return cli_dispatch(cli, intake_commands, "intake", argc, argv);
}
