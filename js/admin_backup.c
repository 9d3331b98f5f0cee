/*
 * A backup, piece by piece. The vault hands out one piece a turn, after the joins of that turn, so a
 * join waits for one piece at most; how fast it goes is for whoever asks.
 */
#include "js/admin.h"

#include "base/log.h"

#include <string.h>

#define FORGOTTEN_US (UINT64_C(60) * 1000 * 1000) /* nobody asks any more: it is ended */
#define IDLE_US      (UINT64_C(3) * 1000 * 1000)  /* another may take its place */

static_assert(IPC_BACKUP_PIECE_MAX == KS_BACKUP_PIECE_MAX, "pieces fit");

void js_backup_end(struct js_vault *vault)
{
	ks_backup_close(vault->backup);
	vault->backup = NULL;
	vault->backup_id = 0;
	vault->backup_offset = 0;
}

int js_backup_rest_ms(struct js_vault *vault)
{
	uint64_t idle_us;

	if (vault->backup == NULL) {
		return -1;
	}
	idle_us = kw_mono_us(vault->env) - vault->backup_asked_us;
	if (idle_us < FORGOTTEN_US) {
		return (int)((FORGOTTEN_US - idle_us) / 1000 + 1);
	}
	kw_log(KW_LOG_WARNING, "vault", "a backup was not fetched to its end and is given up",
		KW_NUM("octets", vault->backup_offset));
	js_backup_end(vault);
	return -1;
}

static enum kw_err begin(struct js_vault *vault, struct ipc_backup_ans *ans)
{
	struct ks_backup_about about;
	uint64_t id;
	enum kw_err err;

	if (vault->backup != NULL && kw_mono_us(vault->env) - vault->backup_asked_us < IDLE_US) {
		js_admin_say(ans->text, "another backup is under way; try again when it is done");
		return KW_E_BUSY;
	}
	js_backup_end(vault);
	err = kw_random(vault->env, &id, sizeof(id));
	if (err == KW_OK) {
		err = ks_backup_open(vault->store, &vault->backup);
	}
	if (err != KW_OK) {
		return err;
	}
	/* JSON keeps 53 bits of a number. */
	vault->backup_id = (id >> 12) + 1;
	vault->backup_asked_us = kw_mono_us(vault->env);
	ks_backup_about(vault->backup, &about);
	ans->id = vault->backup_id;
	ans->records = about.records;
	ans->time_ms = about.time_ms;
	ans->epoch = about.epoch;
	return KW_OK;
}

static enum kw_err next_piece(
	struct js_vault *vault, const struct ipc_backup_req *request, struct ipc_backup_ans *ans)
{
	size_t length;
	enum kw_err err;

	if (vault->backup == NULL || request->id != vault->backup_id ||
		request->offset != vault->backup_offset) {
		js_admin_say(ans->text,
			"this backup has ended: it was given up, or the vault was started anew; "
			"begin another one");
		return KW_E_NOT_FOUND;
	}
	err = ks_backup_read(vault->backup, ans->octets, &length);
	if (err != KW_OK || length == 0) {
		js_backup_end(vault);
		return err;
	}
	vault->backup_offset += length;
	vault->backup_asked_us = kw_mono_us(vault->env);
	ans->id = request->id;
	ans->length = (uint32_t)length;
	return KW_OK;
}

enum kw_err js_admin_backup(const struct js_question *question, void *answer)
{
	const struct ipc_backup_req *request = question->body;

	return request->id == 0 ? begin(question->vault, answer)
				: next_piece(question->vault, request, answer);
}
