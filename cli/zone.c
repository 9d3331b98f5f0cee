#include "cli/zone.h"

#include "base/hex.h"

#include <string.h>
#include <strings.h>

#define LABEL_MAX   63
#define NIBBLE_BITS 4
#define SERVICE     "_lwns._tcp."

bool cli_zone_name_valid(const char *name, size_t room)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
	const size_t whole = strlen(name);

	if (whole == 0 || whole + room > CLI_ZONE_NAME_MAX) {
		return false;
	}
	for (;;) {
		const size_t length = strspn(name, allowed);

		if (length == 0 || length > LABEL_MAX || name[0] == '-' ||
			name[length - 1] == '-') {
			return false;
		}
		if (name[length] == '\0') {
			return true;
		}
		if (name[length] != '.') {
			return false;
		}
		name += length + 1;
	}
}

bool cli_zone_contains(const char *domain, const char *name)
{
	const size_t outer = strlen(domain);
	const size_t inner = strlen(name);

	if (inner < outer || strcasecmp(name + inner - outer, domain) != 0) {
		return false;
	}
	return inner == outer || name[inner - outer - 1] == '.';
}

/* "4.3.2.1" of 1234 and 16 bits; a wildcard for what follows. */
static void write_labels(const struct cli_prefix *prefix, char out[2 * LW_EUI_TEXT_SIZE])
{
	const unsigned digits = prefix->bits / NIBBLE_BITS;
	char text[LW_EUI_TEXT_SIZE];

	lw_eui_write(&prefix->first, text);
	if (digits < 2 * LW_EUI_SIZE) {
		*out++ = '*';
		*out++ = '.';
	}
	for (unsigned i = digits; i-- > 0;) {
		*out++ = text[i];
		*out++ = '.';
	}
	out[-1] = '\0';
}

static void add(json_t *records, const char *name, const char *type, json_t *data)
{
	json_array_append_new(
		records, json_pack("{s:s, s:s, s:o}", "name", name, "type", type, "data", data));
}

static void add_addresses(const struct cli_zone *zone, json_t *records, const char *name)
{
	for (size_t i = 0; i < zone->address_count; i++) {
		const bool v6 = strchr(zone->addresses[i], ':') != NULL;

		add(records, name, v6 ? "AAAA" : "A", json_string(zone->addresses[i]));
	}
}

/* A name with a CNAME can have no other record. */
static bool has_naptr(const struct cli_zone *zone)
{
	return !zone->plain || zone->address_count > 0;
}

static void add_prefix(
	const struct cli_zone *zone, json_t *records, const struct cli_prefix *prefix)
{
	char labels[2 * LW_EUI_TEXT_SIZE];
	char name[2 * LW_EUI_TEXT_SIZE + CLI_ZONE_NAME_MAX + 2];

	write_labels(prefix, labels);
	snprintf(name, sizeof(name), "%s.%s.", labels, zone->domain);
	if (has_naptr(zone)) {
		add(records, name, "NAPTR",
			json_sprintf("100 10 \"S\" \"LWNS\" \"\" " SERVICE "%s.", zone->target));
	}
	if (zone->plain && zone->address_count == 0) {
		add(records, name, "CNAME", json_sprintf("%s.", zone->target));
	}
	if (zone->plain) {
		add_addresses(zone, records, name);
	}
}

static void add_target(const struct cli_zone *zone, json_t *records, json_t *elsewhere)
{
	const bool inside = cli_zone_contains(zone->domain, zone->target);
	char name[CLI_ZONE_NAME_MAX + sizeof(SERVICE) + 2];

	if (has_naptr(zone)) {
		snprintf(name, sizeof(name), SERVICE "%s.", zone->target);
		add(inside ? records : elsewhere, name, "SRV",
			json_sprintf("0 0 %u %s.", zone->port, zone->target));
	}
	if (inside) {
		snprintf(name, sizeof(name), "%s.", zone->target);
		add_addresses(zone, records, name);
	}
}

json_t *cli_zone_json(const struct cli_zone *zone)
{
	json_t *records = json_array();
	json_t *elsewhere = json_array();

	for (size_t i = 0; i < zone->prefix_count; i++) {
		add_prefix(zone, records, &zone->prefixes[i]);
	}
	add_target(zone, records, elsewhere);
	return json_pack("{s:s, s:i, s:o, s:o}", "zone", zone->domain, "ttl", (int)zone->ttl_s,
		"records", records, "elsewhere", elsewhere);
}

static void print_head(const struct cli_zone *zone, FILE *out)
{
	fprintf(out,
		"; JoinEUIs, digits reversed, a label each. Entries of the zone %s;\n"
		"; $INCLUDE them where that zone has its SOA and NS records.\n",
		zone->domain);
	if (has_naptr(zone)) {
		fputs("; NAPTR: for network servers that follow the LoRaWAN Backend Interfaces; "
		      "flag S leads\n; to an SRV record with host and port, service LWNS is "
		      "HTTPS.\n",
			out);
	}
	if (zone->plain) {
		fprintf(out,
			"; %s: for ChirpStack, with [join_server] resolve_join_eui_domain_suffix "
			"= \".%s\".\n"
			"; It asks https://NAME/ at port 443, and NAME must be in the "
			"certificate.\n",
			zone->address_count > 0 ? "A, AAAA" : "CNAME", zone->domain);
	}
	if (!has_naptr(zone)) {
		fputs("; No NAPTR: a name with a CNAME has no other record; with --address it "
		      "has both.\n",
			out);
	}
}

static void print_records(const char *lead, const json_t *records, unsigned ttl_s, FILE *out)
{
	size_t index;
	const json_t *record;

	json_array_foreach(records, index, record)
	{
		fprintf(out, "%s%s\t%u\tIN\t%s\t%s\n", lead,
			json_string_value(json_object_get(record, "name")), ttl_s,
			json_string_value(json_object_get(record, "type")),
			json_string_value(json_object_get(record, "data")));
	}
}

bool cli_zone_print(const struct cli_zone *zone, FILE *out)
{
	json_t *all = cli_zone_json(zone);
	const json_t *elsewhere = json_object_get(all, "elsewhere");

	if (all == NULL) {
		return false;
	}
	print_head(zone, out);
	print_records("", json_object_get(all, "records"), zone->ttl_s, out);
	if (json_array_size(elsewhere) > 0) {
		fprintf(out, "; In the zone of %s, not in this one:\n", zone->target);
		print_records("; ", elsewhere, zone->ttl_s, out);
	}
	json_decref(all);
	return true;
}
