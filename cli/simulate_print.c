#include "cli/simulate.h"

#include "base/hex.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX_TEXT_SIZE (2 * LW_JOIN_ACCEPT_MAX + 1)

static const char *hex(char out[HEX_TEXT_SIZE], const uint8_t *octets, size_t length)
{
	kw_hex_write(out, octets, length);
	return out;
}

static void field(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void field(const char *name, const char *format, ...)
{
	va_list list;

	printf("     %-14s", name);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
}

static void print_device(const struct sim_report *report)
{
	const struct sim_device *device = report->join->device;
	char join_eui[LW_EUI_TEXT_SIZE];
	char dev_eui[LW_EUI_TEXT_SIZE];

	lw_eui_write(&device->id.join_eui, join_eui);
	lw_eui_write(&device->id.dev_eui, dev_eui);
	printf("Device %s of JoinEUI %s, LoRaWAN %s\n", dev_eui, join_eui,
		lw_version_text(device->version));
}

static void print_uplink(const struct sim_join *join)
{
	const struct lw_device_id *id = &join->device->id;
	char text[HEX_TEXT_SIZE];

	puts("  1. The device sends a Join-request");
	field("frame", "%s", hex(text, join->frame, sizeof(join->frame)));
	field("MHDR", "%02x", join->frame[0]);
	field("JoinEUI", "%s", hex(text, id->join_eui.octets, LW_EUI_SIZE));
	field("DevEUI", "%s", hex(text, id->dev_eui.octets, LW_EUI_SIZE));
	field("DevNonce", "%u (0x%04x)", join->dev_nonce, join->dev_nonce);
	field("MIC", "%s", hex(text, join->frame + sizeof(join->frame) - LW_MIC_SIZE, LW_MIC_SIZE));
}

static void print_exchange(const struct sim_report *report)
{
	const struct sim_verdict *verdict = report->verdict;
	const char *meaning = sim_result_meaning(verdict->result_code);

	printf("  2. The network server asks: POST %s\n     %s\n", report->run->url, report->body);
	if (report->status == 0) {
		printf("  3. No answer after %.1f ms\n", (double)report->took_us / 1000);
		return;
	}
	printf("  3. The join server answers after %.1f ms\n", (double)report->took_us / 1000);
	field("HTTP status", "%ld", report->status);
	field("Result", "%s%s%s", verdict->result_code[0] == '\0' ? "none" : verdict->result_code,
		verdict->description[0] == '\0' ? "" : ": ", verdict->description);
	if (meaning != NULL) {
		field("usually means", "%s", meaning);
	}
	if (report->status == 401) {
		field("usually means", "the token is missing or wrong: --token-file");
	}
}

static void print_accept(const struct sim_report *report)
{
	const struct sim_verdict *verdict = report->verdict;
	const struct sim_accept *accept = &verdict->accept;
	const struct lw_join_accept *fields = &accept->fields;
	char text[HEX_TEXT_SIZE];

	puts("  4. The device reads the Join-accept");
	field("on the air", "%s", hex(text, verdict->phy_payload, verdict->phy_length));
	field("decrypted", "%s", hex(text, accept->clear, accept->length));
	if (report->last_join_nonce == 0) {
		field("JoinNonce", "%u", fields->join_nonce);
	} else {
		field("JoinNonce", "%u, the last was %u", fields->join_nonce,
			report->last_join_nonce);
	}
	field("NetID", "%s", hex(text, fields->net_id.octets, LW_NET_ID_SIZE));
	field("DevAddr", "%s", hex(text, fields->dev_addr.octets, LW_DEV_ADDR_SIZE));
	field("DLSettings", "%02x: OptNeg %u, RX1DROffset %u, RX2DataRate %u", fields->dl_settings,
		fields->dl_settings >> 7, fields->dl_settings >> 4 & 7, fields->dl_settings & 15);
	field("RxDelay", "%u s", fields->rx_delay == 0 ? 1u : fields->rx_delay & 15u);
	field("CFList", "%s",
		fields->has_cf_list ? hex(text, fields->cf_list, LW_CF_LIST_SIZE) : "none");
	field("MIC", "%s, right", hex(text, accept->mic, LW_MIC_SIZE));
}

static void print_key(const struct sim_verdict *verdict, enum sim_key which)
{
	const struct sim_key_seen *seen = &verdict->keys[which];
	const struct lw_key *derived = sim_session_key(&verdict->session, which);
	char text[HEX_TEXT_SIZE];
	char mine[HEX_TEXT_SIZE];

	hex(mine, derived->octets, sizeof(derived->octets));
	switch (seen->state) {
	case SIM_KEY_ABSENT:
		if (which == SIM_APP_S_KEY) {
			field(sim_key_name(which), "%s derived; not sent", mine);
		}
		return;
	case SIM_KEY_SEALED:
		field(sim_key_name(which), "%s derived; sent under KEK \"%s\"", mine, seen->label);
		return;
	case SIM_KEY_CLEAR:
	case SIM_KEY_UNWRAPPED:
		break;
	}
	if (seen->equal) {
		field(sim_key_name(which), "%s, the same in the device%s%s%s", mine,
			seen->label[0] == '\0' ? "" : "; came under KEK \"", seen->label,
			seen->label[0] == '\0' ? "" : "\"");
	} else {
		field(sim_key_name(which), "%s, but the device derived %s",
			hex(text, seen->key.octets, sizeof(seen->key.octets)), mine);
	}
}

static void print_session(const struct sim_report *report)
{
	const struct sim_verdict *verdict = report->verdict;

	puts("  5. Session keys that the network server got");
	for (unsigned key = 0; key < SIM_KEY_COUNT; key++) {
		print_key(verdict, (enum sim_key)key);
	}
	field("SessionKeyID", "%s",
		verdict->session_key_id[0] == '\0' ? "none" : verdict->session_key_id);
	if (verdict->has_lifetime) {
		field("Lifetime", "%llu s%s", (unsigned long long)verdict->lifetime,
			verdict->lifetime == 0 ? " (no limit)" : "");
	}
	if (report->run->ns.dialect == SIM_CHIRPSTACK && verdict->session_key_id[0] != '\0') {
		puts("     note: with a SessionKeyID ChirpStack leaves payloads encrypted");
	}
}

void sim_print_join(const struct sim_report *report)
{
	const struct sim_verdict *verdict = report->verdict;

	print_device(report);
	print_uplink(report->join);
	print_exchange(report);
	if (verdict->has_accept) {
		print_accept(report);
		print_session(report);
	}
	if (verdict->fault == SIM_FAULT_NONE) {
		puts("Joined; everything is right.");
	} else if (verdict->fault == SIM_FAULT_REFUSED) {
		printf("Refused: %s\n", verdict->detail);
	} else {
		printf("Wrong: %s: %s\n", sim_fault_text(verdict->fault), verdict->detail);
	}
}

static void set_hex(json_t *object, const char *name, const uint8_t *octets, size_t length)
{
	char text[HEX_TEXT_SIZE];

	json_object_set_new(object, name, json_string(hex(text, octets, length)));
}

static void set_text(json_t *object, const char *name, const char *text)
{
	if (text[0] != '\0') {
		json_object_set_new(object, name, json_string(text));
	}
}

static json_t *accept_json(const struct sim_accept *accept)
{
	const struct lw_join_accept *fields = &accept->fields;
	json_t *object = json_object();

	set_hex(object, "clear", accept->clear, accept->length);
	json_object_set_new(object, "join_nonce", json_integer(fields->join_nonce));
	set_hex(object, "net_id", fields->net_id.octets, LW_NET_ID_SIZE);
	set_hex(object, "dev_addr", fields->dev_addr.octets, LW_DEV_ADDR_SIZE);
	set_hex(object, "dl_settings", &fields->dl_settings, 1);
	json_object_set_new(object, "rx_delay", json_integer(fields->rx_delay));
	if (fields->has_cf_list) {
		set_hex(object, "cf_list", fields->cf_list, LW_CF_LIST_SIZE);
	}
	set_hex(object, "mic", accept->mic, LW_MIC_SIZE);
	return object;
}

static json_t *keys_json(const struct sim_verdict *verdict)
{
	static const char *const ways[] = {
		[SIM_KEY_CLEAR] = "clear",
		[SIM_KEY_UNWRAPPED] = "wrapped",
		[SIM_KEY_SEALED] = "sealed",
	};
	json_t *object = json_object();

	for (unsigned i = 0; i < SIM_KEY_COUNT; i++) {
		const struct sim_key_seen *seen = &verdict->keys[i];
		const struct lw_key *derived = sim_session_key(&verdict->session, (enum sim_key)i);
		json_t *key;

		if (seen->state == SIM_KEY_ABSENT) {
			continue;
		}
		key = json_object();
		set_text(key, "sent", ways[seen->state]);
		set_text(key, "kek_label", seen->label);
		set_hex(key, "derived", derived->octets, sizeof(derived->octets));
		if (seen->state != SIM_KEY_SEALED) {
			set_hex(key, "received", seen->key.octets, sizeof(seen->key.octets));
			json_object_set_new(key, "equal", json_boolean(seen->equal));
		}
		json_object_set_new(object, sim_key_name((enum sim_key)i), key);
	}
	return object;
}

static json_t *request_json(const struct sim_join *join, const char *body)
{
	json_t *object = json_object();

	set_hex(object, "dev_eui", join->device->id.dev_eui.octets, LW_EUI_SIZE);
	set_hex(object, "join_eui", join->device->id.join_eui.octets, LW_EUI_SIZE);
	set_text(object, "lorawan_version", lw_version_text(join->device->version));
	json_object_set_new(object, "dev_nonce", json_integer(join->dev_nonce));
	json_object_set_new(object, "request", json_loads(body, 0, NULL));
	return object;
}

static void dump(json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);

	if (text != NULL) {
		puts(text);
	}
	free(text);
	json_decref(object);
}

void sim_print_join_json(const struct sim_report *report)
{
	const struct sim_verdict *verdict = report->verdict;
	json_t *object = request_json(report->join, report->body);

	json_object_set_new(object, "right", json_boolean(verdict->fault == SIM_FAULT_NONE));
	if (verdict->fault != SIM_FAULT_NONE) {
		set_text(object, "fault", sim_fault_text(verdict->fault));
		set_text(object, "detail", verdict->detail);
	}
	json_object_set_new(object, "http_status", json_integer(report->status));
	json_object_set_new(object, "took_us", json_integer((json_int_t)report->took_us));
	set_text(object, "result_code", verdict->result_code);
	set_text(object, "description", verdict->description);
	if (report->answer != NULL) {
		json_t *answer = json_loadb(report->answer, report->answer_length, 0, NULL);

		json_object_set_new(object, "answer", answer == NULL ? json_null() : answer);
	}
	if (verdict->has_accept) {
		json_object_set_new(object, "accept", accept_json(&verdict->accept));
		json_object_set_new(object, "keys", keys_json(verdict));
	}
	set_text(object, "session_key_id", verdict->session_key_id);
	dump(object);
}

/* A word for the shell, whatever is in it. */
static void print_quoted(FILE *out, const char *word)
{
	fputc('\'', out);
	for (; *word != '\0'; word++) {
		if (*word == '\'') {
			fputs("'\\''", out);
		} else {
			fputc(*word, out);
		}
	}
	fputc('\'', out);
}

static void print_curl(FILE *out, const struct sim_run *run, const char *body)
{
	fputs("curl -sS -H 'Content-Type: application/json'", out);
	if (run->token_path != NULL) {
		const char *path =
			strcmp(run->token_path, "-") == 0 ? "TOKEN_FILE" : run->token_path;

		fputs(" -H \"Authorization: Bearer $(cat ", out);
		print_quoted(out, path);
		fputs(")\"", out);
	}
	if (run->ca != NULL) {
		fputs(" --cacert ", out);
		print_quoted(out, run->ca);
	}
	fputs(" --data ", out);
	print_quoted(out, body);
	fputc(' ', out);
	print_quoted(out, run->url);
}

void sim_print_request(const struct sim_run *run, const struct sim_join *join, const char *body)
{
	json_t *object;
	char *line = NULL;
	size_t length = 0;
	FILE *out = run->cli->json ? open_memstream(&line, &length) : stdout;

	if (out == NULL) {
		return;
	}
	if (out == stdout) {
		puts(body);
	}
	print_curl(out, run, body);
	if (out == stdout) {
		putchar('\n');
		return;
	}
	fclose(out);
	object = request_json(join, body);
	set_text(object, "curl", line == NULL ? "" : line);
	free(line);
	dump(object);
}
