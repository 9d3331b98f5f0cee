#include "cli/credential.h"

#include "cli/certificate.h"
#include "cli/file.h"

#include <stdio.h>
#include <string.h>

#define CERTIFICATES_MAX 4
#define CAS_MAX          2

static void take_file(struct cli_list *list, const struct cli_command *command, const char *option,
	size_t most, const char *value)
{
	cli_list_add(list, command, option, value);
	if (list->count > most) {
		cli_usage(command, "%s: at most %zu of them", option, most);
	}
}

bool cli_credential_take(struct cli_credential *credential, const struct cli_command *command,
	int option, const char *value)
{
	switch (option) {
	case CLI_OPTION_TOKEN:
		credential->make_token = true;
		return true;
	case CLI_OPTION_TOKEN_FILE:
		credential->token_file = value;
		return true;
	case CLI_OPTION_AUTHORIZATION_FILE:
		credential->authorization_file = value;
		return true;
	case CLI_OPTION_BASIC_FILE:
		credential->basic_file = value;
		return true;
	case CLI_OPTION_CERTIFICATE:
		credential->has_certificates = true;
		take_file(&credential->certificates, command, "--certificate", CERTIFICATES_MAX,
			value);
		return true;
	case CLI_OPTION_CA:
		credential->has_cas = true;
		take_file(&credential->cas, command, "--ca", CAS_MAX, value);
		return true;
	case CLI_OPTION_SUBJECT:
		credential->subject = value;
		return true;
	default:
		return false;
	}
}

static bool is_text(const char *value)
{
	return value != NULL && value[0] != '\0';
}

void cli_credential_check(
	const struct cli_credential *credential, const struct cli_command *command)
{
	if (credential->make_token && credential->token_file != NULL) {
		cli_usage(command, "--token and --token-file exclude each other");
	}
	if (credential->authorization_file != NULL && credential->basic_file != NULL) {
		cli_usage(command, "--authorization-file and --basic-file exclude each other");
	}
	if (credential->cas.count > 0 && !is_text(credential->subject)) {
		cli_usage(command, "--ca needs --subject: whom of those to whom the CA gave "
				   "certificates");
	}
	if (is_text(credential->subject) && credential->cas.count == 0) {
		cli_usage(command, "--subject needs --ca: whose certificates are believed");
	}
}

bool cli_credential_is_wished(const struct cli_credential *credential)
{
	return credential->make_token || credential->token_file != NULL ||
	       credential->authorization_file != NULL || credential->basic_file != NULL ||
	       credential->has_certificates || credential->has_cas || credential->subject != NULL;
}

bool cli_credential_is_given(const struct cli_credential *credential)
{
	return credential->make_token || is_text(credential->token_file) ||
	       is_text(credential->authorization_file) || is_text(credential->basic_file) ||
	       credential->certificates.count > 0 || credential->cas.count > 0;
}

static int add_token(
	const struct cli_credential *credential, json_t *body, char token[CLI_TOKEN_SIZE])
{
	char digest[CLI_DIGEST_SIZE];
	int status;

	if (credential->make_token) {
		status = cli_token_make(token);
		if (status == CLI_DONE) {
			status = cli_token_digest(token, strlen(token), digest);
		}
	} else if (is_text(credential->token_file)) {
		status = cli_token_file_digest(credential->token_file, digest);
	} else {
		if (credential->token_file != NULL) {
			cli_set_text(body, "token_sha256", "");
		}
		return CLI_DONE;
	}
	if (status == CLI_DONE) {
		cli_set_text(body, "token_sha256", digest);
	}
	return status;
}

static int add_authorization(const char *path, json_t *body)
{
	char digest[CLI_DIGEST_SIZE];
	bool is_token;
	int status;

	if (path == NULL || path[0] == '\0') {
		if (path != NULL) {
			cli_set_text(body, "authorization_sha256", "");
		}
		return CLI_DONE;
	}
	status = cli_authorization_file_digest(path, &is_token, digest);
	if (status == CLI_DONE && is_token && json_object_get(body, "token_sha256") != NULL) {
		return cli_fail("%s: holds a bearer token; leave --token and --token-file out",
			cli_file_name(path));
	}
	if (status == CLI_DONE) {
		cli_set_text(body, is_token ? "token_sha256" : "authorization_sha256", digest);
	}
	return status;
}

static int add_basic(const char *path, json_t *body)
{
	char digest[CLI_DIGEST_SIZE] = "";
	int status = CLI_DONE;

	if (path == NULL) {
		return CLI_DONE;
	}
	if (path[0] != '\0') {
		status = cli_basic_file_digest(path, digest);
	}
	if (status == CLI_DONE) {
		cli_set_text(body, "authorization_sha256", digest);
	}
	return status;
}

static void print_certificate(
	FILE *words, const char *what, const char *path, const struct cli_certificate *certificate)
{
	fprintf(words, "%s %s: SHA-256 %s, ends %s\n", what, cli_file_name(path),
		certificate->sha256, certificate->not_after);
}

static int add_certificates(const struct cli_credential *credential, FILE *words, json_t *body)
{
	json_t *list = json_array();

	json_object_set_new(body, "certificates", list);
	for (size_t i = 0; i < credential->certificates.count; i++) {
		const char *path = credential->certificates.items[i];
		struct cli_certificate certificate;

		if (cli_certificate_read(path, &certificate) != CLI_DONE) {
			return CLI_FAILED;
		}
		json_array_append_new(list, json_pack("{s:s, s:s}", "sha256", certificate.sha256,
						    "not_after", certificate.not_after));
		print_certificate(words, "certificate", path, &certificate);
	}
	return CLI_DONE;
}

static int add_subjects(const struct cli_credential *credential, FILE *words, json_t *body)
{
	json_t *list = json_array();

	json_object_set_new(body, "subjects", list);
	for (size_t i = 0; i < credential->cas.count; i++) {
		const char *path = credential->cas.items[i];
		struct cli_certificate ca;
		json_t *subject;

		if (cli_certificate_read_ca(path, &ca) != CLI_DONE) {
			return CLI_FAILED;
		}
		subject = json_pack(
			"{s:s, s:s}", "ca_sha256", ca.sha256, "name", credential->subject);
		if (subject == NULL) {
			return cli_fail("--subject: not UTF-8");
		}
		json_array_append_new(list, subject);
		print_certificate(words, "CA", path, &ca);
	}
	if (credential->cas.count > 0) {
		fprintf(words, "The file that tls_client_ca in keyward.conf names must "
			       "hold the CA, too.\n");
	}
	return CLI_DONE;
}

int cli_credential_members(const struct cli_credential *credential, FILE *words, json_t *body,
	char token[CLI_TOKEN_SIZE])
{
	int status;

	token[0] = '\0';
	status = add_token(credential, body, token);
	if (status == CLI_DONE) {
		status = add_authorization(credential->authorization_file, body);
	}
	if (status == CLI_DONE) {
		status = add_basic(credential->basic_file, body);
	}
	if (status == CLI_DONE && credential->has_certificates) {
		status = add_certificates(credential, words, body);
	}
	if (status == CLI_DONE && (credential->has_cas || credential->subject != NULL)) {
		status = add_subjects(credential, words, body);
	}
	return status;
}
