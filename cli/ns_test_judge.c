/* What an answer says, taken apart into steps. */
#include "cli/ns_test.h"

#include <stdio.h>
#include <string.h>

static void tell_version(struct nst_run *run, const struct sim_verdict *verdict)
{
	const char *spoken = run->ns.protocol_1_1 ? "1.1" : "1.0";

	if (strcmp(verdict->result_code, "InvalidProtocolVersion") == 0) {
		nst_fail(&run->steps, NST_VERSION, "", "ProtocolVersion %s is not spoken there",
			spoken);
	} else if (verdict->details[SIM_FAULT_PROTOCOL][0] != '\0') {
		nst_fail(&run->steps, NST_VERSION, "", "%s", verdict->details[SIM_FAULT_PROTOCOL]);
	} else {
		nst_ok(&run->steps, NST_VERSION, 0,
			"ProtocolVersion %s spoken and echoed; MACVersion %s", spoken,
			sim_mac_version(&run->ns, run->device.version));
	}
}

/* The first of these faults that there is; NULL: none. */
static const char *first_detail(
	const struct sim_verdict *verdict, const enum sim_fault *faults, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (verdict->details[faults[i]][0] != '\0') {
			return verdict->details[faults[i]];
		}
	}
	return NULL;
}

static bool tell_header(struct nst_run *run, const struct sim_verdict *verdict)
{
	static const enum sim_fault faults[] = {
		SIM_FAULT_JSON, SIM_FAULT_RESULT, SIM_FAULT_HEADER, SIM_FAULT_STATUS};
	const char *wrong = first_detail(verdict, faults, sizeof(faults) / sizeof(faults[0]));

	if (wrong != NULL) {
		nst_fail(&run->steps, NST_HEADER,
			"a network server would drop this answer; is there a proxy that changes "
			"it?",
			"%s", wrong);
		return false;
	}
	nst_ok(&run->steps, NST_HEADER, 0, "SenderID and ReceiverID swapped, TransactionID %u%s",
		run->join.transaction, run->ns.has_ns_id ? ", ReceiverNSID" : "");
	return true;
}

static bool tell_join(struct nst_run *run, const struct sim_verdict *verdict, const json_t *event)
{
	const char *words = json_string_value(json_object_get(event, "text"));
	const char *meaning = sim_result_meaning(verdict->result_code);

	if (strcmp(verdict->result_code, "Success") != 0) {
		nst_fail(&run->steps, NST_JOIN,
			words != NULL     ? words
			: meaning != NULL ? meaning
					  : "",
			"%s%s%s", verdict->result_code, verdict->description[0] == '\0' ? "" : ": ",
			verdict->description);
		return false;
	}
	if (verdict->details[SIM_FAULT_LIFETIME][0] != '\0') {
		nst_fail(&run->steps, NST_JOIN, "", "%s", verdict->details[SIM_FAULT_LIFETIME]);
		return false;
	}
	nst_ok(&run->steps, NST_JOIN, 0, "Success");
	return true;
}

static bool tell_mic(struct nst_run *run, const struct sim_verdict *verdict)
{
	static const enum sim_fault faults[] = {SIM_FAULT_OWN, SIM_FAULT_FRAME, SIM_FAULT_MIC,
		SIM_FAULT_ACCEPT, SIM_FAULT_JOIN_NONCE};
	const char *wrong = first_detail(verdict, faults, sizeof(faults) / sizeof(faults[0]));

	if (wrong != NULL || !verdict->has_accept) {
		nst_fail(&run->steps, NST_MIC, "", "%s",
			wrong == NULL ? "the device cannot read the Join-accept" : wrong);
		return false;
	}
	nst_ok(&run->steps, NST_MIC, 0,
		"the device decrypts the Join-accept and finds its MIC right; JoinNonce %u",
		verdict->accept.fields.join_nonce);
	return true;
}

/* Details of keys begin with the name of the key. */
static bool is_of_app_s_key(const char *detail)
{
	return strncmp(detail, sim_key_name(SIM_APP_S_KEY), strlen(sim_key_name(SIM_APP_S_KEY))) ==
	       0;
}

static const char *wrong_key(const struct sim_verdict *verdict, bool app_s_key)
{
	static const enum sim_fault network[] = {
		SIM_FAULT_KEY_SET, SIM_FAULT_NETWORK_KEY, SIM_FAULT_KEY_FORM};
	static const enum sim_fault application[] = {
		SIM_FAULT_APP_S_KEY, SIM_FAULT_SESSION_ID, SIM_FAULT_KEY_FORM, SIM_FAULT_KEK};
	const enum sim_fault *faults = app_s_key ? application : network;
	const size_t count = app_s_key ? 4 : 3;

	for (size_t i = 0; i < count; i++) {
		const char *detail = verdict->details[faults[i]];
		const bool either = faults[i] == SIM_FAULT_KEY_FORM || faults[i] == SIM_FAULT_KEK;

		if (detail[0] != '\0' && (!either || is_of_app_s_key(detail) == app_s_key)) {
			return detail;
		}
	}
	return NULL;
}

static void tell_clear(struct nst_run *run)
{
	char help[NST_TEXT_SIZE];

	if (run->wish.kek_file == NULL) {
		nst_ok(&run->steps, NST_KEK, 0,
			"network session keys in the clear, the same as the device's");
		return;
	}
	snprintf(help, sizeof(help), "keyward kek add --ns %s --kek-label L --kek-file F",
		run->wish.name);
	nst_fail(&run->steps, NST_KEK, help,
		"network session keys came in the clear: %s has no KEK here", run->wish.name);
}

static void tell_sealed(struct nst_run *run, const char *label)
{
	const bool known = run->ns.kek_count > 0 && strcmp(run->ns.keks[0].label, label) == 0;
	char help[NST_TEXT_SIZE];

	if (run->wish.kek_file == NULL) {
		nst_ok(&run->steps, NST_KEK, 0,
			"network session keys under \"%s\", not opened without --kek-file", label);
		return;
	}
	snprintf(help, sizeof(help),
		known ? "both sides must have the same KEK under this label: keyward kek add --ns "
			"%s"
		      : "keyward kek list --ns %s shows which one is current",
		run->wish.name);
	nst_fail(&run->steps, NST_KEK, help,
		known ? "the KEK in %s does not open what is under \"%s\""
		      : "the KEK in %s is not the one with the label \"%s\"",
		run->wish.kek_file, label);
}

/* The first network session key in this state; NULL: none. */
static const struct sim_key_seen *find_key(const struct sim_verdict *verdict, int state)
{
	for (unsigned i = 0; i < SIM_KEY_COUNT; i++) {
		if (i != SIM_APP_S_KEY && (int)verdict->keys[i].state == state) {
			return &verdict->keys[i];
		}
	}
	return NULL;
}

static void tell_kek(struct nst_run *run, const struct sim_verdict *verdict)
{
	const struct sim_key_seen *clear = find_key(verdict, SIM_KEY_CLEAR);
	const struct sim_key_seen *sealed = find_key(verdict, SIM_KEY_SEALED);
	const struct sim_key_seen *opened = find_key(verdict, SIM_KEY_UNWRAPPED);
	const char *wrong = wrong_key(verdict, false);

	if (wrong != NULL) {
		nst_fail(&run->steps, NST_KEK, "", "%s", wrong);
	} else if (clear != NULL && (sealed != NULL || opened != NULL)) {
		nst_fail(&run->steps, NST_KEK, "",
			"some network session keys came in the clear, others under a KEK");
	} else if (clear != NULL) {
		tell_clear(run);
	} else if (sealed != NULL) {
		tell_sealed(run, sealed->label);
	} else {
		nst_ok(&run->steps, NST_KEK, 0,
			"network session keys under \"%s\", opened, the same as the device's",
			opened != NULL ? opened->label : "");
	}
}

static const char *remark(const struct nst_run *run, const struct sim_verdict *verdict)
{
	return run->ns.dialect == SIM_CHIRPSTACK && verdict->session_key_id[0] != '\0'
		       ? "; with a SessionKeyID ChirpStack leaves payloads encrypted, which "
			 "--app-s-key inline changes"
		       : "";
}

static void tell_app_s_key(struct nst_run *run, const struct sim_verdict *verdict)
{
	const struct sim_key_seen *key = &verdict->keys[SIM_APP_S_KEY];
	const bool has_id = verdict->session_key_id[0] != '\0';
	const char *wrong = wrong_key(verdict, true);
	const char *more = remark(run, verdict);

	if (wrong != NULL) {
		nst_fail(&run->steps, NST_APP_S_KEY, "", "%s", wrong);
	} else if (key->state == SIM_KEY_ABSENT) {
		nst_ok(&run->steps, NST_APP_S_KEY, 0,
			"SessionKeyID alone: the application server fetches it (fetch)%s", more);
	} else if (key->state == SIM_KEY_SEALED) {
		nst_ok(&run->steps, NST_APP_S_KEY, 0,
			"under \"%s\" of the application server (wrapped)%s", key->label, more);
	} else {
		nst_ok(&run->steps, NST_APP_S_KEY, 0,
			"%s, the same as the device's, %s SessionKeyID (%s)%s",
			key->state == SIM_KEY_CLEAR ? "in the clear" : "opened with the KEK",
			has_id ? "with" : "without", has_id ? "inline-id" : "inline", more);
	}
}

bool nst_judge(struct nst_run *run, const struct sim_verdict *verdict, const json_t *event)
{
	tell_version(run, verdict);
	if (!tell_header(run, verdict) || !tell_join(run, verdict, event) ||
		!tell_mic(run, verdict)) {
		return false;
	}
	tell_kek(run, verdict);
	tell_app_s_key(run, verdict);
	return true;
}
