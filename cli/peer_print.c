#include "cli/peer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_column ns_columns[] = {
	{"NAME", "name"},
	{"NETIDS", "net_ids"},
	{"NSID", "ns_id"},
	{"ANY DEVICE", "any_device"},
	{"KNOWN BY", "known_by"},
	{"KEK", "kek"},
	{"APPSKEY", "app_s_key"},
	{"JOINEUIS", "join_eui_ranges"},
	{NULL, NULL},
};

static const struct cli_column as_columns[] = {
	{"NAME", "name"},
	{"AS-ID", "as_id"},
	{"KNOWN BY", "known_by"},
	{"KEK", "kek"},
	{"APPSKEY", "app_s_key"},
	{NULL, NULL},
};

const struct cli_peer_kind cli_peer_ns = {
	"/network-servers", "network_servers", "network server", "ns", ns_columns};
const struct cli_peer_kind cli_peer_as = {
	"/application-servers", "application_servers", "application server", "as", as_columns};

static bool holds(const json_t *array, const char *word)
{
	const json_t *item;
	size_t index;

	json_array_foreach(array, index, item)
	{
		if (strcmp(json_string_value(item), word) == 0) {
			return true;
		}
	}
	return false;
}

/* The kinds of its credentials, each once. */
static json_t *known_by(const json_t *peer)
{
	json_t *kinds = json_array();
	const json_t *credential;
	size_t index;

	json_array_foreach(json_object_get(peer, "credentials"), index, credential)
	{
		const char *kind = json_string_value(json_object_get(credential, "kind"));

		if (kind != NULL && !holds(kinds, kind)) {
			json_array_append_new(kinds, json_string(kind));
		}
	}
	return kinds;
}

void cli_peer_columns_fill(json_t *peers)
{
	json_t *peer;
	size_t index;

	json_array_foreach(peers, index, peer)
	{
		const bool missing = json_is_true(json_object_get(peer, "kek_missing"));

		json_object_set_new(peer, "known_by", known_by(peer));
		if (missing) {
			json_object_set_new(peer, "kek", json_string("MISSING"));
		} else {
			json_object_set(peer, "kek", json_object_get(peer, "kek_label"));
		}
	}
}

static void print_credential(const json_t *credential)
{
	const char *kind = json_string_value(json_object_get(credential, "kind"));
	char *sha256 = cli_member(credential, "sha256");
	char *not_after = cli_member(credential, "not_after");
	char *name = cli_member(credential, "name");
	char *ca = cli_member(credential, "ca_sha256");

	if (kind == NULL) {
		kind = "";
	}
	if (strcmp(kind, "token") == 0) {
		printf("%-18s bearer token\n", "known by");
	} else if (strcmp(kind, "authorization") == 0) {
		printf("%-18s header Authorization\n", "known by");
	} else if (strcmp(kind, "certificate") == 0) {
		printf("%-18s certificate with SHA-256 %s, ends %s\n", "known by", sha256,
			not_after);
	} else if (strcmp(kind, "subject") == 0) {
		printf("%-18s %s in certificates of the CA with SHA-256 %s\n", "known by", name,
			ca);
	} else {
		printf("%-18s something that this version does not know\n", "known by");
	}
	free(sha256);
	free(not_after);
	free(name);
	free(ca);
}

static void print_credentials(const json_t *credentials)
{
	const json_t *credential;
	size_t index;

	json_array_foreach(credentials, index, credential)
	{
		print_credential(credential);
	}
	if (json_array_size(credentials) == 0) {
		printf("%-18s nothing: it cannot ask for anything\n", "known by");
	}
}

static void print_kek(const json_t *kek)
{
	const bool current = json_is_true(json_object_get(kek, "current"));
	char *label = cli_member(kek, "label");
	char *created = cli_member(kek, "created");

	printf("%-18s %s, %" PRIu64 " octets, since %s%s\n", "KEK", label,
		cli_member_number(kek, "octets"), created, current ? " (current)" : "");
	free(label);
	free(created);
}

static void print_keks(const json_t *peer)
{
	const json_t *keks = json_object_get(peer, "keks");
	const json_t *kek;
	size_t index;

	json_array_foreach(keks, index, kek)
	{
		print_kek(kek);
	}
	if (json_is_true(json_object_get(peer, "kek_missing"))) {
		printf("%-18s missing: joins are refused; keyward kek add gives one\n", "KEK");
	} else if (json_array_size(keks) == 0) {
		printf("%-18s none: keys go in the clear\n", "KEK");
	}
}

static void print_rate(const json_t *peer)
{
	if (json_is_integer(json_object_get(peer, "rate"))) {
		printf("%-18s %" PRIu64 "/s, %" PRIu64 " at once\n", "rate",
			cli_member_number(peer, "rate"), cli_member_number(peer, "burst"));
	}
}

void cli_peer_print(const struct cli_peer_kind *kind, const json_t *peer)
{
	cli_print_member("name", peer, "name");
	if (kind == &cli_peer_ns) {
		cli_print_member("NetIDs", peer, "net_ids");
		cli_print_member("NSID", peer, "ns_id");
		if (json_array_size(json_object_get(peer, "join_eui_ranges")) == 0) {
			printf("%-18s every\n", "JoinEUIs");
		} else {
			cli_print_member("JoinEUIs", peer, "join_eui_ranges");
		}
		cli_print_member("any device", peer, "any_device");
	} else {
		cli_print_member("AS-ID", peer, "as_id");
	}
	print_credentials(json_object_get(peer, "credentials"));
	cli_print_member("answer URL", peer, "answer_url");
	print_rate(peer);
	print_keks(peer);
	cli_print_member("AppSKey delivery", peer, "app_s_key");
	if (kind == &cli_peer_as) {
		cli_print_member("AppSKey in clear", peer, "app_s_key_in_clear");
	}
	cli_print_member("created", peer, "created");
	cli_print_member("changed", peer, "changed");
}

void cli_keks_print(const json_t *answer)
{
	static const struct cli_column columns[] = {
		{"LABEL", "label"},
		{"CURRENT", "current"},
		{"OCTETS", "octets"},
		{"CREATED", "created"},
		{NULL, NULL},
	};
	struct cli_table table = {.columns = columns};

	cli_table_print(&table, json_object_get(answer, "keks"));
	if (json_is_true(json_object_get(answer, "kek_missing"))) {
		cli_warn("no KEK is current: joins are refused until keyward kek add gives one");
	}
}
