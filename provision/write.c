#include "provision/row.h"

#include "base/hex.h"
#include "base/secret.h"

#include <assert.h>
#include <string.h>

const char pr_csv_header[] = "join_eui,dev_eui,lorawan_version,app_key,nwk_key,name\n";

static char *write_text(char *out, const char *text)
{
	const size_t length = strlen(text);

	memcpy(out, text, length);
	return out + length;
}

/* Always in quotes: a name may hold anything but controls. */
static char *write_name(char *out, const char name[PR_NAME_SIZE])
{
	*out++ = '"';
	for (size_t i = 0; i < PR_NAME_SIZE && name[i] != '\0'; i++) {
		if (name[i] == '"') {
			*out++ = '"';
		}
		*out++ = name[i];
	}
	*out++ = '"';
	return out;
}

size_t pr_csv_write_row(const struct pr_row *row, char out[PR_CSV_ROW_MAX])
{
	char *at = out;

	at = kw_hex_write(at, row->id.join_eui.octets, LW_EUI_SIZE);
	*at++ = ',';
	at = kw_hex_write(at, row->id.dev_eui.octets, LW_EUI_SIZE);
	*at++ = ',';
	at = write_text(at, lw_version_text(row->version));
	*at++ = ',';
	at = kw_hex_write(at, row->app_key.octets, sizeof(row->app_key.octets));
	*at++ = ',';
	if (row->has_nwk_key) {
		at = kw_hex_write(at, row->nwk_key.octets, sizeof(row->nwk_key.octets));
	}
	*at++ = ',';
	if (row->name[0] != '\0') {
		at = write_name(at, row->name);
	}
	*at++ = '\n';
	assert(at - out <= PR_CSV_ROW_MAX);
	return (size_t)(at - out);
}
