#include "portal/envelope.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DER_SEQUENCE 0x30

void po_envelope_start(void)
{
	(void)OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
}

static enum kw_err taken(const uint8_t *octets, size_t length, struct po_envelope *out)
{
	if (length == 0 || octets[0] != DER_SEQUENCE) {
		return KW_E_ENVELOPE;
	}
	if (length > IPC_ENVELOPE_MAX) {
		return KW_E_TOO_LONG;
	}
	out->octets = malloc(length);
	if (out->octets == NULL) {
		return KW_E_NO_MEMORY;
	}
	memcpy(out->octets, octets, length);
	out->length = length;
	return KW_OK;
}

static enum kw_err pem_read(const char *body, size_t length, struct po_envelope *out)
{
	BIO *bio = BIO_new_mem_buf(body, (int)length);
	char *name = NULL;
	char *header = NULL;
	unsigned char *data = NULL;
	long data_length = 0;
	enum kw_err err = KW_E_ENVELOPE;

	if (bio == NULL) {
		return KW_E_NO_MEMORY;
	}
	if (PEM_read_bio(bio, &name, &header, &data, &data_length) == 1 &&
		strcmp(name, "CMS") == 0) {
		err = taken(data, (size_t)data_length, out);
	}
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(data);
	BIO_free(bio);
	return err;
}

static bool begins(const char *body, size_t length, const char *with)
{
	return length >= strlen(with) && memcmp(body, with, strlen(with)) == 0;
}

enum kw_err po_envelope_read(
	const char *body, size_t length, struct po_envelope *out, struct po_why *why)
{
	enum kw_err err;

	*out = (struct po_envelope){.octets = NULL};
	if (length > PO_BODY_MAX) {
		err = KW_E_TOO_LONG;
	} else if (begins(body, length, "-----BEGIN")) {
		err = pem_read(body, length, out);
	} else {
		err = taken((const uint8_t *)body, length, out);
	}
	if (err == KW_E_TOO_LONG) {
		snprintf(why->text, sizeof(why->text),
			"an envelope has at most %d octets; seal the rows in several",
			IPC_ENVELOPE_MAX);
	} else if (begins(body, length, "MIME-Version:")) {
		snprintf(why->text, sizeof(why->text),
			"the envelope is S/MIME; make it with \"openssl cms -outform DER\"");
	} else if (err != KW_OK) {
		snprintf(why->text, sizeof(why->text),
			"the body is not an envelope: CMS AuthEnvelopedData to the intake "
			"certificate, as DER or PEM; rows in the clear are not taken");
	}
	return err;
}

enum kw_err po_envelope_read_base64(const char *text, size_t length, struct po_envelope *out)
{
	EVP_ENCODE_CTX *context = EVP_ENCODE_CTX_new();
	uint8_t *octets = malloc(length + 1);
	enum kw_err err = KW_E_NO_MEMORY;
	int first = 0;
	int last = 0;

	*out = (struct po_envelope){.octets = NULL};
	if (context != NULL && octets != NULL) {
		EVP_DecodeInit(context);
		err = KW_E_ENVELOPE;
		if (EVP_DecodeUpdate(context, octets, &first, (const uint8_t *)text, (int)length) >=
				0 &&
			EVP_DecodeFinal(context, octets + first, &last) == 1) {
			err = taken(octets, (size_t)first + (size_t)last, out);
		}
	}
	EVP_ENCODE_CTX_free(context);
	free(octets);
	return err;
}

void po_envelope_finish(struct po_envelope *envelope)
{
	free(envelope->octets);
	*envelope = (struct po_envelope){.octets = NULL};
}

char *po_certificate_pem(const uint8_t *der, size_t length)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	const char *data;
	long size;

	if (bio != NULL && PEM_write_bio(bio, "CERTIFICATE", "", der, (long)length) > 0) {
		size = BIO_get_mem_data(bio, &data);
		text = strndup(data, (size_t)size);
	}
	BIO_free(bio);
	return text;
}
