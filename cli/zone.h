/**
 * Zone entries under which a network server finds the join server of a JoinEUI (TS002-1.0, section
 * "DNS"): the digits of the JoinEUI in reverse order, a label each, in front of a domain. What
 * several JoinEUIs have in common is one wildcard.
 */
#ifndef KW_CLI_ZONE_H
#define KW_CLI_ZONE_H

#include "cli/prefix.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define CLI_ZONE_ALLIANCE      "joineuis.lora-alliance.org"
#define CLI_ZONE_NAME_MAX      253 /* of a domain name, as text without its last dot */
#define CLI_ZONE_ADDRESSES_MAX 8
#define CLI_ZONE_PREFIXES_MAX  256

struct cli_zone {
	const char *domain; /* without a dot at its end, as all names here */
	const char *target; /* host of the join server */
	bool plain; /* address records for each JoinEUI, or a CNAME if there is no address */
	unsigned port;
	unsigned ttl_s;
	size_t address_count;
	const char *addresses[CLI_ZONE_ADDRESSES_MAX]; /* IPv4 or IPv6 */
	size_t prefix_count;
	struct cli_prefix prefixes[CLI_ZONE_PREFIXES_MAX]; /* whole nibbles; none within another */
};

/** Whether this is a domain name of letters, digits and hyphens that leaves room for `room` octets
 *  in front. */
bool cli_zone_name_valid(const char *name, size_t room);
/** Whether a name is the domain or lies below it. */
bool cli_zone_contains(const char *domain, const char *name);

/**
 * {"zone": D, "ttl": N, "records": [{"name", "type", "data"}], "elsewhere": [...]}: the second list
 * are records that belong to the zone of the target. Names in them end with a dot.
 *
 * @return to be released with json_decref(); NULL if there is no memory
 */
json_t *cli_zone_json(const struct cli_zone *zone);

/** Print as a part of a zone file. @return false if there is no memory */
bool cli_zone_print(const struct cli_zone *zone, FILE *out);

#endif
