/*
 * The temporary device. Its DevEUI is always the same one (locally administered, and nobody's): so
 * one that was left behind is found with one call, and the nonces that the store keeps of removed
 * devices are those of one device, not of one for each test. The root keys are new each time.
 */
#include "cli/ns_test.h"

#include "base/env.h"
#include "base/secret.h"
#include "cli/import.h"
#include "cli/secret.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEVICE_NAME "keyward ns test"

static const struct lw_eui dev_eui = {{0x02, 'k', 'e', 'y', 'w', 'a', 'r', 'd'}};
/* Where neither the network server nor any device names another. */
static const struct lw_eui own_join_eui = {{0x02, 'k', 'e', 'y', 0, 0, 0, 0}};

/* A socket in the abstract namespace goes with the process, however that ends. */
int nst_lock(const char *admin_socket)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char digest[CLI_DIGEST_SIZE];
	int length;
	int fd;

	if (cli_token_digest(admin_socket, strlen(admin_socket), digest) != CLI_DONE) {
		return -1;
	}
	length = snprintf(
		address.sun_path + 1, sizeof(address.sun_path) - 1, "keyward-ns-test-%s", digest);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		cli_fail("no socket: %s", strerror(errno));
		return -1;
	}
	if (bind(fd, (const struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) !=
		0) {
		cli_fail(errno == EADDRINUSE
				 ? "another keyward ns test is under way here; wait for its end"
				 : "the lock of this test: %s",
			strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* "/devices/DEVEUI", or what is below. */
static void device_path(struct cli_path *path, const char *below)
{
	char text[LW_EUI_TEXT_SIZE];

	lw_eui_write(&dev_eui, text);
	cli_path_init(path, "/devices");
	cli_path_segment(path, text);
	if (below != NULL) {
		cli_path_segment(path, below);
	}
}

/* @param status  out: of HTTP; 404 is an answer too, 0 none */
static int call_device(
	struct nst_run *run, const char *method, const char *below, struct cli_reply *reply)
{
	struct cli_path path;
	const struct cli_request request = {.method = method, .path = &path, .also = 404};

	device_path(&path, below);
	return cli_api_call(run->cli, &request, reply);
}

static int remove_device(struct nst_run *run)
{
	struct cli_reply reply;
	int status = call_device(run, "DELETE", NULL, &reply);

	cli_reply_finish(&reply);
	return status;
}

/* @return CLI_FAILED also if the device is somebody's */
static int remove_left_over(struct nst_run *run, bool *found)
{
	struct cli_reply reply;
	int status = call_device(run, "GET", NULL, &reply);
	const char *name = json_string_value(json_object_get(reply.json, "name"));

	*found = status == CLI_DONE && reply.status != 404;
	if (*found && (name == NULL || strcmp(name, DEVICE_NAME) != 0)) {
		status = cli_fail(
			"there is a device of this test's DevEUI that is not called \"%s\"",
			DEVICE_NAME);
	} else if (*found) {
		status = remove_device(run);
	}
	cli_reply_finish(&reply);
	return status;
}

/* The JoinEUI of the first device; the own one if there is none. */
static int some_join_eui(struct nst_run *run, struct lw_eui *out)
{
	struct cli_path path;
	struct cli_reply reply;
	const char *text;
	int status;

	cli_path_init(&path, "/devices");
	cli_path_query_number(&path, "limit", 1);
	status = cli_api_get(run->cli, &path, &reply);
	text = json_string_value(json_object_get(
		json_array_get(json_object_get(reply.json, "devices"), 0), "join_eui"));
	if (text == NULL || lw_eui_read(text, out) != KW_OK) {
		*out = own_join_eui;
	}
	cli_reply_finish(&reply);
	return status;
}

static int choose_join_eui(struct nst_run *run)
{
	struct lw_eui *join_eui = &run->device.id.join_eui;

	if (run->wish.join_eui != NULL) {
		return lw_eui_read(run->wish.join_eui, join_eui) == KW_OK ? CLI_DONE : CLI_FAILED;
	}
	if (run->peer.range_count > 0) {
		*join_eui = run->peer.ranges[0].first;
		return CLI_DONE;
	}
	return some_join_eui(run, join_eui);
}

static int make_keys(struct sim_device *device)
{
	if (kw_random(&kw_env_system, &device->root, sizeof(device->root)) != KW_OK ||
		kw_random(&kw_env_system, &device->app_key, sizeof(device->app_key)) != KW_OK) {
		return cli_fail("no random numbers from the system");
	}
	return CLI_DONE;
}

static void make_row(const struct sim_device *device, struct pr_row *row)
{
	*row = (struct pr_row){
		.line = 1,
		.id = device->id,
		.version = device->version,
		.app_key = device->root,
		.name = DEVICE_NAME,
	};
	if (lw_version_is_1_1(device->version)) {
		row->has_nwk_key = true;
		row->nwk_key = device->root;
		row->app_key = device->app_key;
	}
}

/* It belongs to all networks of the network server. */
static void make_policy(const struct nst_run *run, struct cli_policy *policy)
{
	const json_t *net_ids = json_object_get(run->reply.json, "net_ids");
	const json_t *item;
	size_t index;

	*policy = (struct cli_policy){.has_net_ids = true, .as_id = run->wish.as_id};
	json_array_foreach(net_ids, index, item)
	{
		if (policy->net_ids.count < CLI_LIST_MAX) {
			policy->net_ids.items[policy->net_ids.count++] = json_string_value(item);
		}
	}
}

static int import_device(struct nst_run *run)
{
	struct pr_row row;
	struct cli_import import = {.cli = run->cli, .file = DEVICE_NAME, .errors = json_array()};
	int status;

	make_row(&run->device, &row);
	make_policy(run, &import.policy);
	run->device_added = true;
	status = cli_import_row(&import, &row);
	kw_wipe(&row, sizeof(row));
	json_decref(import.errors);
	return status == CLI_DONE && import.added == 1 ? CLI_DONE : CLI_FAILED;
}

/* What an earlier test used up stays known; these keys are new. */
static int forget_nonces(struct nst_run *run)
{
	struct cli_reply reply;
	int status = call_device(run, "POST", "reset-nonces", &reply);

	if (status == CLI_DONE && reply.status == 404) {
		status = cli_fail("the device is gone: somebody else removed it");
	}
	cli_reply_finish(&reply);
	return status;
}

static int add_device(struct nst_run *run, bool *found)
{
	int status = remove_left_over(run, found);

	if (status == CLI_DONE) {
		status = choose_join_eui(run);
	}
	if (status == CLI_DONE) {
		status = make_keys(&run->device);
	}
	if (status == CLI_DONE) {
		status = import_device(run);
	}
	return status == CLI_DONE ? forget_nonces(run) : status;
}

int nst_device_add(struct nst_run *run)
{
	char join_eui[LW_EUI_TEXT_SIZE];
	char text[LW_EUI_TEXT_SIZE];
	bool found = false;

	run->device.id.dev_eui = dev_eui;
	run->device.version = run->wish.version;
	if (add_device(run, &found) != CLI_DONE) {
		nst_fail(&run->steps, NST_DEVICE, "keyward status",
			"keywardd did not take the device for this test");
		return CLI_FAILED;
	}
	lw_eui_write(&run->device.id.join_eui, join_eui);
	lw_eui_write(&dev_eui, text);
	nst_ok(&run->steps, NST_DEVICE, 0, "%s of JoinEUI %s, LoRaWAN %s, for this test only%s",
		text, join_eui, lw_version_text(run->device.version),
		found ? "; one left behind by an earlier test was removed" : "");
	return CLI_DONE;
}

int nst_device_remove(struct nst_run *run)
{
	char text[LW_EUI_TEXT_SIZE];
	char help[64];

	if (!run->device_added) {
		return CLI_DONE;
	}
	lw_eui_write(&dev_eui, text);
	if (remove_device(run) != CLI_DONE) {
		snprintf(help, sizeof(help), "keyward device remove %s", text);
		nst_fail(&run->steps, NST_CLEAN_UP, help, "the device is still there");
		return CLI_FAILED;
	}
	run->device_added = false;
	nst_ok(&run->steps, NST_CLEAN_UP, 0, "the device is removed");
	return CLI_DONE;
}
