#include "backend-if/credential.h"
#include "base/env.h"
#include "base/hex.h"
#include "portal/member.h"

#include <stdio.h>
#include <string.h>

#define CERTIFICATES_MAX 4
#define SUBJECTS_MAX     2

#define NEED_TOKEN                                                           \
	"must be the SHA-256 of the token, which has 64 hexadecimal digits," \
	" or null"
#define NEED_AUTHORIZATION                                                        \
	"must be the SHA-256 of the value of the header Authorization, which has" \
	" 64 hexadecimal digits, or null"
#define NEED_CERTIFICATES                                                                \
	"must be a list of at most 4 objects with sha256, the digest of a certificate, " \
	"and not_after, a time as \"2027-01-31T00:00:00Z\" or null"
#define NEED_SUBJECTS                                                               \
	"must be a list of at most 2 objects with ca_sha256, the digest of a CA's " \
	"certificate, and name, a subject of 1 to 254 octets without control "      \
	"characters"
#define NEED_OTHERS "holds one twice"

static_assert(2 + CERTIFICATES_MAX + SUBJECTS_MAX <= IPC_CREDENTIALS_MAX, "all fit");
static_assert(2 * BI_DIGEST_SIZE + 1 + BI_SUBJECT_SIZE <= IPC_SHOWN_SIZE, "a subject fits");
static_assert(BI_DIGEST_SIZE == IPC_DIGEST_SIZE, "one size");

/* All zeros are what a digest is that nobody filled in; no peer may answer to that. */
static bool digest_read(const char *text, uint8_t digest[IPC_DIGEST_SIZE])
{
	static const uint8_t none[IPC_DIGEST_SIZE];

	return text != NULL && strlen(text) == (size_t)2 * IPC_DIGEST_SIZE &&
	       kw_hex_read(text, strlen(text), digest, IPC_DIGEST_SIZE) == KW_OK &&
	       memcmp(digest, none, sizeof(none)) != 0;
}

/* Every kind has its limit, so there is room. */
static struct ipc_given_credential *credential_add(
	struct ipc_peer_req *req, enum ipc_credential_kind kind)
{
	struct ipc_given_credential *given = &req->credentials[req->credential_count++];

	given->credential.kind = (uint8_t)kind;
	given->shown.kind = (uint8_t)kind;
	return given;
}

/* Whether the last one was given before. */
static bool last_is_twice(const struct ipc_peer_req *req)
{
	const struct ipc_credential *last = &req->credentials[req->credential_count - 1].credential;

	for (size_t i = 0; i + 1 < req->credential_count; i++) {
		const struct ipc_credential *other = &req->credentials[i].credential;

		if (other->kind == last->kind &&
			memcmp(other->digest, last->digest, IPC_DIGEST_SIZE) == 0) {
			return true;
		}
	}
	return false;
}

static const char *secret_read(const json_t *value, struct po_target *target,
	enum ipc_credential_kind kind, const char *wrong)
{
	uint8_t digest[IPC_DIGEST_SIZE];

	if (json_is_null(value)) {
		return NULL;
	}
	if (!digest_read(json_string_value(value), digest)) {
		return wrong;
	}
	memcpy(credential_add(target->peer, kind)->credential.digest, digest, sizeof(digest));
	return NULL;
}

const char *po_credential_token(const json_t *value, struct po_target *target)
{
	return secret_read(value, target, IPC_CREDENTIAL_TOKEN, NEED_TOKEN);
}

const char *po_credential_authorization(const json_t *value, struct po_target *target)
{
	return secret_read(value, target, IPC_CREDENTIAL_HEADER, NEED_AUTHORIZATION);
}

static bool time_read(const json_t *value, uint64_t *time_s)
{
	uint64_t time_ms;

	*time_s = 0;
	if (value == NULL || json_is_null(value)) {
		return true;
	}
	if (!json_is_string(value) || kw_time_read(json_string_value(value), &time_ms) != KW_OK) {
		return false;
	}
	*time_s = time_ms / 1000;
	return true;
}

static bool certificate_read(json_t *item, struct ipc_peer_req *req)
{
	struct ipc_given_credential *given;
	uint8_t digest[IPC_DIGEST_SIZE];
	const char *sha256 = NULL;
	json_t *not_after = NULL;
	uint64_t expires_s;

	if (json_unpack(item, "{s:s, s?:o !}", "sha256", &sha256, "not_after", &not_after) != 0 ||
		!digest_read(sha256, digest) || !time_read(not_after, &expires_s)) {
		return false;
	}
	given = credential_add(req, IPC_CREDENTIAL_CERTIFICATE);
	memcpy(given->credential.digest, digest, sizeof(digest));
	given->shown.expires_s = expires_s;
	kw_hex_write(given->shown.text, digest, sizeof(digest));
	return true;
}

static bool subject_read(json_t *item, struct ipc_peer_req *req)
{
	struct ipc_given_credential *given;
	uint8_t ca[IPC_DIGEST_SIZE];
	uint8_t digest[IPC_DIGEST_SIZE];
	char name[BI_SUBJECT_SIZE];
	const char *ca_sha256 = NULL;
	const char *given_name = NULL;

	if (json_unpack(item, "{s:s, s:s !}", "ca_sha256", &ca_sha256, "name", &given_name) != 0 ||
		!digest_read(ca_sha256, ca) ||
		bi_credential_subject_name(given_name, name) != KW_OK ||
		bi_credential_of_subject(ca, name, digest) != KW_OK) {
		return false;
	}
	given = credential_add(req, IPC_CREDENTIAL_SUBJECT);
	memcpy(given->credential.digest, digest, sizeof(digest));
	kw_hex_write(given->shown.text, ca, sizeof(ca));
	snprintf(given->shown.text + 2 * sizeof(ca), sizeof(given->shown.text) - 2 * sizeof(ca),
		" %s", name);
	return true;
}

static const char *list_read(const json_t *value, struct ipc_peer_req *req, size_t max,
	bool (*read)(json_t *item, struct ipc_peer_req *req), const char *wrong)
{
	if (!json_is_null(value) && (!json_is_array(value) || json_array_size(value) > max)) {
		return wrong;
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		if (!read(json_array_get(value, i), req)) {
			return wrong;
		}
		if (last_is_twice(req)) {
			return NEED_OTHERS;
		}
	}
	return NULL;
}

const char *po_credential_certificates(const json_t *value, struct po_target *target)
{
	return list_read(
		value, target->peer, CERTIFICATES_MAX, certificate_read, NEED_CERTIFICATES);
}

const char *po_credential_subjects(const json_t *value, struct po_target *target)
{
	return list_read(value, target->peer, SUBJECTS_MAX, subject_read, NEED_SUBJECTS);
}
