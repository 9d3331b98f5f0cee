#include "cli/cli.h"
#include "cli/zone.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_MAX   64
#define PORT_DEFAULT 443
#define TTL_DEFAULT  3600
#define TTL_MAX      604800
#define LABELS_ROOM  32 /* sixteen digits with their dots; also enough for _lwns._tcp. */

enum {
	OPTION_JOIN_EUI = 1,
	OPTION_DOMAIN,
	OPTION_TARGET,
	OPTION_ADDRESS,
	OPTION_PORT,
	OPTION_TTL,
};

static const struct option options[] = {
	{"join-eui", required_argument, NULL, OPTION_JOIN_EUI},
	{"domain", required_argument, NULL, OPTION_DOMAIN},
	{"target", required_argument, NULL, OPTION_TARGET},
	{"address", required_argument, NULL, OPTION_ADDRESS},
	{"port", required_argument, NULL, OPTION_PORT},
	{"ttl", required_argument, NULL, OPTION_TTL},
	CLI_COMMON_OPTIONS,
};

struct wish {
	char domain[CLI_ZONE_NAME_MAX + 1]; /* "": not given */
	char target[CLI_ZONE_NAME_MAX + 1];
	size_t range_count;
	struct lw_eui_range ranges[RANGES_MAX];
	struct cli_zone zone;
};

static int dns_zone(struct cli *cli, int argc, char **argv);

const struct cli_command cli_dns_commands[] = {
	{"dns zone", "zone entries for JoinEUIs",
		"Usage: keyward [--json] dns zone --join-eui RANGE [options]\n"
		"\n"
		"Prints the zone entries under which network servers find the join server of a\n"
		"JoinEUI. Works without keywardd.\n"
		"\n"
		"  --join-eui RANGE  70b3d57ed0000000/40, FIRST-LAST or one EUI; repeatable\n"
		"  --domain D        your own domain, which gets address records too, as "
		"ChirpStack\n"
		"                    asks for them; default " CLI_ZONE_ALLIANCE ",\n"
		"                    NAPTR records only\n"
		"  --target HOST     host of the join server; default js.D if there are addresses\n"
		"  --address A       its address, IPv4 or IPv6; repeatable; needs --domain\n"
		"  --port P          its port, for the SRV record; default 443\n"
		"  --ttl N           seconds; default 3600\n"
		"\n"
		"Examples:\n"
		"  keyward dns zone --join-eui 70b3d57ed0000000/40 --target js.example.com\n"
		"  keyward dns zone --join-eui 70b3d57ed0000000/40 --domain lora.example.com \\\n"
		"    --address 192.0.2.10 --address 2001:db8::10\n",
		dns_zone},
	{NULL, NULL, NULL, NULL},
};

static const struct cli_command *const self = &cli_dns_commands[0];

static void take_range(struct wish *wish, const char *value)
{
	if (wish->range_count == RANGES_MAX) {
		cli_usage(self, "--join-eui: at most %d ranges", RANGES_MAX);
	}
	if (lw_eui_range_read(value, &wish->ranges[wish->range_count]) != KW_OK) {
		cli_usage(self, "--join-eui: write 70b3d57ed0000000/40, FIRST-LAST or one EUI of "
				"16 digits");
	}
	wish->range_count++;
}

/* A dot at the end says that the name is whole, which it is anyway. */
static void take_name(char out[CLI_ZONE_NAME_MAX + 1], const char *option, const char *value)
{
	const size_t length = strlen(value);
	const size_t keep = length > 1 && value[length - 1] == '.' ? length - 1 : length;

	if (keep <= CLI_ZONE_NAME_MAX) {
		memcpy(out, value, keep);
		out[keep] = '\0';
	}
	if (keep > CLI_ZONE_NAME_MAX || !cli_zone_name_valid(out, LABELS_ROOM)) {
		cli_usage(self, "%s: a domain name of letters, digits and hyphens, at most %d long",
			option, CLI_ZONE_NAME_MAX - LABELS_ROOM);
	}
}

static void take_address(struct cli_zone *zone, const char *value)
{
	unsigned char octets[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, value, octets) != 1 && inet_pton(AF_INET6, value, octets) != 1) {
		cli_usage(self, "--address: write 192.0.2.10 or 2001:db8::10");
	}
	if (zone->address_count == CLI_ZONE_ADDRESSES_MAX) {
		cli_usage(self, "--address: at most %d", CLI_ZONE_ADDRESSES_MAX);
	}
	zone->addresses[zone->address_count++] = value;
}

static unsigned number(const char *option, const char *value, unsigned max)
{
	char *end = NULL;
	unsigned long got;

	errno = 0;
	got = strtoul(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || got == 0 ||
		got > max) {
		cli_usage(self, "%s: a number from 1 to %u", option, max);
	}
	return (unsigned)got;
}

static void take_option(struct wish *wish, int option, const char *value)
{
	switch (option) {
	case OPTION_JOIN_EUI:
		take_range(wish, value);
		break;
	case OPTION_DOMAIN:
		take_name(wish->domain, "--domain", value);
		break;
	case OPTION_TARGET:
		take_name(wish->target, "--target", value);
		break;
	case OPTION_ADDRESS:
		take_address(&wish->zone, value);
		break;
	case OPTION_PORT:
		wish->zone.port = number("--port", value, UINT16_MAX);
		break;
	default:
		wish->zone.ttl_s = number("--ttl", value, TTL_MAX);
		break;
	}
}

static void split_ranges(struct wish *wish)
{
	struct cli_zone *zone = &wish->zone;

	wish->range_count = cli_range_unite(wish->ranges, wish->range_count);
	for (size_t i = 0; i < wish->range_count; i++) {
		const size_t room = CLI_ZONE_PREFIXES_MAX - zone->prefix_count;
		const size_t count = cli_prefix_split(
			&wish->ranges[i], 4, zone->prefixes + zone->prefix_count, room);

		if (count > room) {
			cli_usage(self,
				"--join-eui: these ranges take more than %d entries, because they "
				"do not end where a hexadecimal digit changes; widen them to "
				"prefixes such as 70b3d57ed0000000/40",
				CLI_ZONE_PREFIXES_MAX);
		}
		zone->prefix_count += count;
	}
}

/* Whether a name below the domain looks as if it came from a JoinEUI: it would hide wildcards. */
static bool is_digits_label(const char *domain, const char *name)
{
	const size_t inner = strlen(name);
	const size_t outer = strlen(domain);
	const char *label = name + inner - outer - 2;

	return inner > outer + 1 && isxdigit((unsigned char)*label) &&
	       (label == name || label[-1] == '.');
}

/* An own host inside the domain has its addresses there; else a wildcard could stand for it. */
static void choose_names(struct wish *wish)
{
	struct cli_zone *zone = &wish->zone;

	zone->plain = wish->domain[0] != '\0';
	zone->domain = zone->plain ? wish->domain : CLI_ZONE_ALLIANCE;
	zone->target = wish->target;
	if (!zone->plain && zone->address_count > 0) {
		cli_usage(self, "--address needs --domain: the domain that is yours");
	}
	if (wish->target[0] == '\0') {
		if (zone->address_count == 0) {
			cli_usage(self, "--target is missing: the host of the join server");
		}
		if (snprintf(wish->target, sizeof(wish->target), "js.%s", zone->domain) >=
			(int)sizeof(wish->target)) {
			cli_usage(self, "--target is missing, and js.%s is too long", zone->domain);
		}
	}
	if (zone->address_count == 0 && cli_zone_contains(zone->domain, zone->target)) {
		cli_usage(
			self, "%s is inside %s: --address is missing", zone->target, zone->domain);
	}
	if (cli_zone_contains(zone->domain, zone->target) &&
		is_digits_label(zone->domain, zone->target)) {
		cli_usage(self, "--target: %s reads like a part of a JoinEUI; choose another name",
			zone->target);
	}
}

static int print_zone(const struct cli *cli, const struct cli_zone *zone)
{
	json_t *json;

	if (!cli->json) {
		return cli_zone_print(zone, stdout) ? CLI_DONE : cli_fail("out of memory");
	}
	json = cli_zone_json(zone);
	if (json == NULL || json_dumpf(json, stdout, JSON_COMPACT) != 0) {
		json_decref(json);
		return cli_fail("out of memory, or the output cannot be written");
	}
	putchar('\n');
	json_decref(json);
	return CLI_DONE;
}

static int dns_zone(struct cli *cli, int argc, char **argv)
{
	struct wish wish = {.zone = {.port = PORT_DEFAULT, .ttl_s = TTL_DEFAULT}};
	int option;

	while ((option = cli_next_option(cli, self, argc, argv, options)) != -1) {
		take_option(&wish, option, optarg);
	}
	cli_want_words(self, argc, argv, 0, "");
	if (wish.range_count == 0) {
		cli_usage(self, "--join-eui is missing: the JoinEUIs");
	}
	choose_names(&wish);
	split_ranges(&wish);
	return print_zone(cli, &wish.zone);
}
