#include "js/front_identity.h"

#include "backend-if/credential.h"
#include "base/env.h"
#include "base/log_gate.h"
#include "http/proxy_cert.h"

#include <netinet/in.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_S      60
#define ANCHORS_MAX 4

static_assert((int)BI_CREDENTIAL_SUBJECT == (int)IPC_CREDENTIAL_SUBJECT &&
		      (int)BI_CREDENTIAL_TOKEN == (int)IPC_CREDENTIAL_TOKEN &&
		      BI_DIGEST_SIZE == IPC_DIGEST_SIZE,
	"the same values");

enum kw_err js_identities_init(struct js_identities *identities, const struct js_proxies *proxies,
	const char *proxy_header, bool tls)
{
	*identities = (struct js_identities){
		.proxies = proxies,
		.proxy_header = proxy_header,
		.tls = tls,
		.slots = calloc(JS_IDENTITY_SLOTS, sizeof(*identities->slots)),
	};
	return identities->slots != NULL ? KW_OK : KW_E_NO_MEMORY;
}

void js_identities_finish(struct js_identities *identities)
{
	http_trust_close(identities->trust);
	free(identities->slots);
	*identities = (struct js_identities){0};
}

void js_identities_trust(struct js_identities *identities, struct http_trust *trust)
{
	http_trust_close(identities->trust);
	identities->trust = trust;
	memset(identities->slots, 0, JS_IDENTITY_SLOTS * sizeof(*identities->slots));
}

/* What does not fit any more is not shown: names come last, the digest of the whole first. */
static void add(struct js_identity *identity, enum bi_credential_kind kind,
	const uint8_t digest[BI_DIGEST_SIZE])
{
	struct ipc_credential *credential = &identity->credentials[identity->count];

	if (identity->count == IPC_CREDENTIALS_MAX) {
		return;
	}
	credential->kind = (uint8_t)kind;
	memcpy(credential->digest, digest, BI_DIGEST_SIZE);
	identity->count++;
}

/* A name that no credential can be made of is nobody's; it does not hide the others. */
static enum kw_err add_name(
	const uint8_t anchor[HTTP_FINGERPRINT_SIZE], const char *name, struct js_identity *identity)
{
	uint8_t digest[BI_DIGEST_SIZE];
	enum kw_err err = bi_credential_of_subject(anchor, name, digest);

	if (err == KW_OK) {
		add(identity, BI_CREDENTIAL_SUBJECT, digest);
	}
	return err == KW_E_TOO_LONG ? KW_OK : err;
}

static enum kw_err add_names(const struct js_identities *identities,
	const struct http_octets *chain, size_t count, uint64_t now_s,
	const struct http_certificate *certificate, struct js_identity *identity)
{
	static struct kw_log_gate gate;
	uint8_t anchors[ANCHORS_MAX][HTTP_FINGERPRINT_SIZE];
	size_t found = 0;
	enum kw_err err = http_trust_verify(
		identities->trust, chain, count, now_s, anchors, ANCHORS_MAX, &found);

	for (size_t a = 0; err == KW_OK && a < found; a++) {
		for (size_t n = 0; err == KW_OK && n < certificate->name_count; n++) {
			err = add_name(anchors[a], certificate->names[n].text, identity);
		}
	}
	if (err == KW_OK && found * certificate->name_count >= IPC_CREDENTIALS_MAX &&
		kw_log_gate(&gate, &kw_env_system, KW_LOG_WARNING, "front")) {
		kw_log(KW_LOG_WARNING, "front",
			"a client certificate has more names than are looked at",
			KW_NUM("names", certificate->name_count),
			KW_NUM("looked_at", identity->count - 1));
	}
	return err;
}

/* Nothing of a certificate counts that is not valid now, or not for a client. */
static enum kw_err look_at(const struct js_identities *identities, const struct http_octets *chain,
	size_t count, uint64_t now_s, struct js_identity_slot *slot)
{
	struct http_certificate certificate;
	enum kw_err err = http_certificate_read(chain[0].octets, chain[0].length, &certificate);

	slot->identity.count = 0;
	if (err != KW_OK) {
		return err;
	}
	slot->not_after_s = certificate.not_after_s;
	if (!certificate.client || now_s < certificate.not_before_s ||
		now_s > certificate.not_after_s) {
		return KW_OK;
	}
	add(&slot->identity, BI_CREDENTIAL_CERTIFICATE, certificate.fingerprint);
	return identities->trust != NULL
		       ? add_names(identities, chain, count, now_s, &certificate, &slot->identity)
		       : KW_OK;
}

static enum kw_err digest_of(
	const struct http_octets *chain, size_t count, uint8_t digest[IPC_DIGEST_SIZE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context != NULL && EVP_DigestInit_ex2(context, EVP_sha256(), NULL) == 1;
	unsigned size = 0;

	for (size_t i = 0; good && i < count; i++) {
		good = EVP_DigestUpdate(context, &chain[i].length, sizeof(chain[i].length)) == 1 &&
		       EVP_DigestUpdate(context, chain[i].octets, chain[i].length) == 1;
	}
	good = good && EVP_DigestFinal_ex(context, digest, &size) == 1 && size == IPC_DIGEST_SIZE;
	EVP_MD_CTX_free(context);
	return good ? KW_OK : KW_E_CRYPTO;
}

static void add_all(struct js_identity *identity, const struct js_identity *more)
{
	for (size_t i = 0; i < more->count; i++) {
		add(identity, (enum bi_credential_kind)more->credentials[i].kind,
			more->credentials[i].digest);
	}
}

/* What a chain says is looked up, or found out and kept. One that does not read shows nothing. */
static enum kw_err add_chain(struct js_identities *identities, const struct http_octets *chain,
	size_t count, struct js_identity *identity)
{
	uint64_t now_s = kw_now_ms(&kw_env_system) / 1000;
	uint8_t digest[IPC_DIGEST_SIZE];
	struct js_identity_slot *slot;
	enum kw_err err = digest_of(chain, count, digest);

	if (err != KW_OK) {
		return err;
	}
	slot = &identities->slots[digest[0]];
	if (memcmp(slot->digest, digest, sizeof(digest)) != 0 || now_s < slot->checked_s ||
		now_s - slot->checked_s >= KEPT_S) {
		err = look_at(identities, chain, count, now_s, slot);
		if (err == KW_E_NO_MEMORY || err == KW_E_CRYPTO) {
			slot->checked_s = 0;
			return err;
		}
		memcpy(slot->digest, digest, sizeof(digest));
		slot->checked_s = now_s;
	}
	if (now_s <= slot->not_after_s) {
		add_all(identity, &slot->identity);
	}
	return KW_OK;
}

static enum kw_err add_tls(struct js_identities *identities, const struct http_request *request,
	struct js_identity *identity)
{
	struct http_octets chain[HTTP_CHAIN_MAX];
	size_t count = http_request_certificates(request, chain, HTTP_CHAIN_MAX);

	return count > 0 ? add_chain(identities, chain, count, identity) : KW_OK;
}

static enum kw_err add_proxied(struct js_identities *identities, const struct http_request *request,
	struct js_identity *identity)
{
	struct http_proxy_chain chain;
	enum kw_err err = http_proxy_certificates(request, identities->proxy_header, &chain);

	if (err != KW_OK) {
		return err == KW_E_NOT_FOUND ? KW_OK : err;
	}
	return add_chain(identities, chain.certificates, chain.count, identity);
}

static enum kw_err add_authorization(
	const struct http_request *request, struct js_identity *identity)
{
	const char *value = http_request_header(request, "Authorization");
	enum bi_credential_kind kind;
	uint8_t digest[BI_DIGEST_SIZE];
	enum kw_err err;

	if (value == NULL) {
		return KW_OK;
	}
	if (http_request_header_count(request, "Authorization") > 1) {
		return KW_E_CONFLICT;
	}
	err = bi_credential_of_authorization(value, &kind, digest);
	if (err == KW_OK) {
		add(identity, kind, digest);
	}
	/* One that does not read is nobody's. */
	return err == KW_E_CRYPTO || err == KW_E_NO_MEMORY ? err : KW_OK;
}

static bool is_loopback(const struct sockaddr *address)
{
	if (address == NULL) {
		return false;
	}
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(in6) ||
		       (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
	}
	return false;
}

enum kw_err js_identity_read(struct js_identities *identities, const struct http_request *request,
	struct js_identity *out)
{
	const struct sockaddr *address = http_request_address(request);
	bool proxied = address != NULL && js_proxies_contain(identities->proxies, address);
	enum kw_err err;

	out->count = 0;
	if (!identities->tls && !proxied && !is_loopback(address)) {
		return KW_E_FORBIDDEN;
	}
	err = add_authorization(request, out);
	if (err == KW_OK) {
		/* A proxy's own certificate says nothing about who stands behind it. */
		err = proxied ? add_proxied(identities, request, out)
			      : add_tls(identities, request, out);
	}
	if (err == KW_OK && out->count == 0) {
		err = KW_E_MISSING;
	}
	return err;
}
