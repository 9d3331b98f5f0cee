#include "provision/record.h"

#include "base/hex.h"
#include "base/secret.h"
#include "provision/name.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_DIGITS (2 * LW_BLOCK_SIZE)
#define EUI_DIGITS (2 * LW_EUI_SIZE)
/* An EUI in eight groups; what is longer may be a key in the wrong column and is not shown. */
#define EUI_ECHO_MAX     23
#define VERSION_ECHO_MAX 16
/* 16 digits give E+15; a key of decimal digits would give E+31. */
#define EUI_EXPONENT_MAX 16

static enum kw_err refuse(struct pr_problem *problem, enum kw_err err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static enum kw_err refuse(struct pr_problem *problem, enum kw_err err, const char *format, ...)
{
	va_list arguments;

	problem->err = err;
	va_start(arguments, format);
	vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
	return err;
}

static bool is_uniform(const uint8_t *octets, size_t length)
{
	uint8_t differences = 0;

	for (size_t i = 1; i < length; i++) {
		differences |= (uint8_t)(octets[i] ^ octets[0]);
	}
	return differences == 0;
}

static size_t count_digits(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++) {
		count += isxdigit((unsigned char)*text) ? 1 : 0;
	}
	return count;
}

/* Digits, a point or comma, digits, E+, digits: never what a person writes as a key. */
static bool is_spreadsheet_number(const char *text)
{
	const size_t whole = strspn(text, "0123456789");
	const char *rest = text + whole;

	if (whole == 0) {
		return false;
	}
	if (*rest == '.' || *rest == ',') {
		rest += 1 + strspn(rest + 1, "0123456789");
	}
	return (rest[0] == 'E' || rest[0] == 'e') && rest[1] == '+' && rest[2] != '\0' &&
	       rest[2 + strspn(rest + 2, "0123456789")] == '\0';
}

/* A key may be in the wrong column, in hexadecimal, in Base64 or as a number. */
static bool may_echo_eui(const char *text)
{
	size_t letters = 0;

	if (strlen(text) > EUI_ECHO_MAX) {
		return false;
	}
	if (is_spreadsheet_number(text)) {
		return strtol(strpbrk(text, "eE") + 1, NULL, 10) <= EUI_EXPONENT_MAX;
	}
	for (; *text != '\0'; text++) {
		if (!isgraph((unsigned char)*text) && *text != ' ') {
			return false;
		}
		letters += isalnum((unsigned char)*text) ? 1 : 0;
	}
	return letters <= EUI_DIGITS;
}

static enum kw_err refuse_eui(
	struct pr_problem *problem, const char *column, const char *text, enum kw_err err)
{
	const size_t digits = count_digits(text);
	const char *shown = may_echo_eui(text) ? text : "the value";

	if (err == KW_E_NUMBER || (strpbrk(text, ".,") != NULL && strcasestr(text, "e+") != NULL)) {
		return refuse(problem, KW_E_NUMBER,
			"column %s: %s was turned into a number by a spreadsheet; format it as "
			"text and export again",
			column, shown);
	}
	if (err == KW_E_HEX) {
		return refuse(problem, err,
			"column %s: %s is not an EUI: write 16 hexadecimal digits", column, shown);
	}
	if (digits == EUI_DIGITS - 1 || digits == EUI_DIGITS - 2) {
		return refuse(problem, err,
			"column %s: %s has %zu digits, an EUI has 16; were leading zeros lost in a "
			"spreadsheet?",
			column, shown, digits);
	}
	if (digits == KEY_DIGITS) {
		return refuse(problem, err,
			"column %s: 32 hexadecimal digits, an EUI has 16; is a key in the wrong "
			"column?",
			column);
	}
	return refuse(
		problem, err, "column %s: %zu hexadecimal digits, an EUI has 16", column, digits);
}

static enum kw_err read_eui(struct pr_record *record, enum pr_column column, struct lw_eui *out,
	struct pr_problem *problem)
{
	const char *text = pr_field_text(&record->fields[column]);
	const char *name = pr_column_text(column);
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	if (text[0] == '\0') {
		return refuse(problem, KW_E_MISSING, "column %s is empty", name);
	}
	err = record->fields[column].cut ? KW_E_LENGTH : lw_eui_read(text, out);
	return err == KW_OK ? KW_OK : refuse_eui(problem, name, text, err);
}

static enum kw_err read_dev_eui(
	struct pr_record *record, struct lw_eui *out, struct pr_problem *problem)
{
	const enum kw_err err = read_eui(record, PR_COLUMN_DEV_EUI, out, problem);

	if (err != KW_OK) {
		return err;
	}
	if (is_uniform(out->octets, LW_EUI_SIZE) &&
		(out->octets[0] == 0x00 || out->octets[0] == 0xff)) {
		const uint8_t octet = out->octets[0];

		memset(out, 0, sizeof(*out));
		return refuse(problem, KW_E_INVALID,
			"column dev_eui: all %s is not the DevEUI of a device",
			octet == 0 ? "zeros" : "ones");
	}
	return KW_OK;
}

static enum kw_err read_version(
	struct pr_record *record, enum lw_version *out, struct pr_problem *problem)
{
	struct pr_field *field = &record->fields[PR_COLUMN_VERSION];
	const char *text = pr_field_text(field);

	*out = LW_VERSION_NONE;
	if (text[0] == '\0') {
		return refuse(problem, KW_E_MISSING,
			"column lorawan_version is missing: add it, e.g. 1.0.3");
	}
	if (!field->cut && lw_version_read(text, out) == KW_OK) {
		return KW_OK;
	}
	for (const char *c = text; *c != '\0'; c++) {
		if (c - text >= VERSION_ECHO_MAX || !isgraph((unsigned char)*c)) {
			return refuse(problem, KW_E_VERSION,
				"column lorawan_version: not a version; write 1.0.0 to 1.0.4 or "
				"1.1");
		}
	}
	return refuse(problem, KW_E_VERSION,
		"column lorawan_version: %s is not known; write 1.0.0 to 1.0.4 or 1.1", text);
}

/* The digits of a key without 0x, separators and braces; `count` goes on when they do not fit. */
static enum kw_err collect_digits(const char *text, char digits[KEY_DIGITS], size_t *count)
{
	*count = 0;
	for (; *text != '\0'; text++) {
		if (strchr(" -:,;{}", *text) != NULL) {
			continue;
		}
		if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && *count % 2 == 0) {
			text++;
			continue;
		}
		if (!isxdigit((unsigned char)*text)) {
			return KW_E_HEX;
		}
		if (*count < KEY_DIGITS) {
			digits[*count] = *text;
		}
		(*count)++;
	}
	return *count == KEY_DIGITS ? KW_OK : KW_E_LENGTH;
}

static enum kw_err refuse_key(struct pr_problem *problem, const char *column, const char *text,
	size_t digits, enum kw_err err)
{
	if (is_spreadsheet_number(text)) {
		return refuse(problem, KW_E_NUMBER,
			"column %s: turned into a number by a spreadsheet; format it as text and "
			"export again",
			column);
	}
	if (err == KW_E_HEX) {
		return refuse(problem, err,
			"column %s: a character that is no hexadecimal digit; write 32 digits",
			column);
	}
	if (digits == 48) {
		return refuse(problem, err,
			"column %s: 48 hexadecimal digits, perhaps a wrapped key; the key itself "
			"has 32",
			column);
	}
	return refuse(
		problem, err, "column %s: %zu hexadecimal digits, a key has 32", column, digits);
}

/* *given is false if the field is empty. */
static enum kw_err read_key(struct pr_record *record, enum pr_column column, struct lw_key *out,
	bool *given, struct pr_problem *problem)
{
	const char *text = pr_field_text(&record->fields[column]);
	const char *name = pr_column_text(column);
	char digits[KEY_DIGITS];
	size_t count = 0;
	enum kw_err err;

	*given = text[0] != '\0';
	if (!*given) {
		return KW_OK;
	}
	if (record->fields[column].cut) {
		return refuse(problem, KW_E_TOO_LONG, "column %s: far too long for a key", name);
	}
	/* Nearly all are written so. */
	if (record->fields[column].length == KEY_DIGITS &&
		kw_hex_read(text, KEY_DIGITS, out->octets, sizeof(out->octets)) == KW_OK) {
		return KW_OK;
	}
	err = collect_digits(text, digits, &count);
	if (err == KW_OK) {
		err = kw_hex_read(digits, KEY_DIGITS, out->octets, sizeof(out->octets));
	}
	kw_wipe(digits, sizeof(digits));
	if (err != KW_OK) {
		return refuse_key(problem, name, text, count, err);
	}
	return KW_OK;
}

static enum kw_err refuse_weak(
	const struct lw_key *key, enum pr_column column, struct pr_problem *problem)
{
	if (!is_uniform(key->octets, sizeof(key->octets))) {
		return KW_OK;
	}
	return refuse(problem, KW_E_INVALID,
		"column %s: one octet repeated is not a key; make one at random",
		pr_column_text(column));
}

/* 1.0.x has one root key; some programs write it as nwk_key. */
static enum kw_err settle_one_key(
	struct pr_row *row, bool has_app_key, bool has_nwk_key, struct pr_problem *problem)
{
	const enum pr_column column = has_app_key ? PR_COLUMN_APP_KEY : PR_COLUMN_NWK_KEY;

	if (!has_app_key && !has_nwk_key) {
		return refuse(
			problem, KW_E_MISSING, "column app_key is empty: it holds the root key");
	}
	if (has_app_key && has_nwk_key &&
		!kw_equal_ct(&row->app_key, &row->nwk_key, sizeof(row->app_key))) {
		return refuse(problem, KW_E_CONFLICT,
			"columns app_key and nwk_key differ, but LoRaWAN %s has one root key: "
			"leave only "
			"that, in app_key",
			lw_version_text(row->version));
	}
	if (!has_app_key) {
		row->app_key = row->nwk_key;
	}
	kw_wipe(&row->nwk_key, sizeof(row->nwk_key));
	return refuse_weak(&row->app_key, column, problem);
}

static enum kw_err settle_two_keys(
	struct pr_row *row, bool has_app_key, bool has_nwk_key, struct pr_problem *problem)
{
	enum kw_err err;

	if (!has_app_key || !has_nwk_key) {
		return refuse(problem, KW_E_MISSING,
			"column %s is empty: LoRaWAN 1.1 needs both root keys",
			has_app_key ? "nwk_key" : "app_key");
	}
	err = refuse_weak(&row->app_key, PR_COLUMN_APP_KEY, problem);
	if (err == KW_OK) {
		err = refuse_weak(&row->nwk_key, PR_COLUMN_NWK_KEY, problem);
	}
	if (err == KW_OK && kw_equal_ct(&row->app_key, &row->nwk_key, sizeof(row->app_key))) {
		err = refuse(problem, KW_E_CONFLICT,
			"columns app_key and nwk_key are equal: LoRaWAN 1.1 needs two different "
			"root keys");
	}
	row->has_nwk_key = true;
	return err;
}

static enum kw_err read_keys(
	struct pr_record *record, struct pr_row *row, struct pr_problem *problem)
{
	bool has_app_key = false;
	bool has_nwk_key = false;
	enum kw_err err;

	err = read_key(record, PR_COLUMN_APP_KEY, &row->app_key, &has_app_key, problem);
	if (err == KW_OK) {
		err = read_key(record, PR_COLUMN_NWK_KEY, &row->nwk_key, &has_nwk_key, problem);
	}
	if (err != KW_OK) {
		return err;
	}
	return lw_version_is_1_1(row->version)
		       ? settle_two_keys(row, has_app_key, has_nwk_key, problem)
		       : settle_one_key(row, has_app_key, has_nwk_key, problem);
}

static void read_name(struct pr_record *record, struct pr_row *row)
{
	static const enum pr_column order[] = {PR_COLUMN_NAME, PR_COLUMN_ID, PR_COLUMN_DESCRIPTION};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && row->name[0] == '\0'; i++) {
		const struct pr_field *field = &record->fields[order[i]];

		pr_name_copy(row->name, field->text, field->length);
	}
}

static enum kw_err check_fault(const struct pr_record *record, struct pr_problem *problem)
{
	const char *column = record->fault_column == PR_COLUMN_UNKNOWN
				     ? "of another name"
				     : pr_column_text(record->fault_column);

	switch (record->fault) {
	case PR_FAULT_NONE:
		return KW_OK;
	case PR_FAULT_QUOTE:
		return refuse(problem, KW_E_SYNTAX,
			"column %s: text behind the closing quote; write a quote inside quotes "
			"twice",
			column);
	case PR_FAULT_SURPLUS:
		return refuse(problem, KW_E_SYNTAX,
			"more fields than the header line has; put quotes around a field that "
			"holds the "
			"separator");
	case PR_FAULT_NO_TEXT:
		return refuse(
			problem, KW_E_SYNTAX, "column %s: not a text; write it in quotes", column);
	case PR_FAULT_TWICE:
		return refuse(problem, KW_E_CONFLICT,
			"column %s is there twice under different names", column);
	}
	return KW_E_INVALID;
}

static enum kw_err check_join_eui(const struct pr_row *row, struct pr_problem *problem)
{
	if (lw_version_counts_dev_nonce(row->version) && row->id.join_eui.octets[0] == 0 &&
		is_uniform(row->id.join_eui.octets, LW_EUI_SIZE)) {
		return refuse(problem, KW_E_INVALID,
			"column join_eui: all zeros is not allowed with LoRaWAN %s; use the "
			"JoinEUI that "
			"the device has",
			lw_version_text(row->version));
	}
	return KW_OK;
}

enum kw_err pr_check(struct pr_record *record, struct pr_row *row, struct pr_problem *problem)
{
	struct lw_eui dev_eui;
	enum kw_err err;

	memset(row, 0, sizeof(*row));
	memset(problem, 0, sizeof(*problem));
	row->line = record->line;
	problem->line = record->line;
	err = check_fault(record, problem);
	if (err == KW_OK) {
		err = read_dev_eui(record, &row->id.dev_eui, problem);
	}
	if (err == KW_OK) {
		err = read_eui(record, PR_COLUMN_JOIN_EUI, &row->id.join_eui, problem);
	}
	if (err == KW_OK) {
		err = read_version(record, &row->version, problem);
	}
	if (err == KW_OK) {
		err = check_join_eui(row, problem);
	}
	if (err == KW_OK) {
		err = read_keys(record, row, problem);
	}
	if (err == KW_OK) {
		read_name(record, row);
		return KW_OK;
	}
	dev_eui = row->id.dev_eui;
	kw_wipe(row, sizeof(*row));
	row->id.dev_eui = dev_eui;
	return err;
}
