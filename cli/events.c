#include "cli/api.h"
#include "cli/text.h"

#include "lorawan/eui.h"

#include <stdlib.h>
#include <time.h>

#define PAGE_MAX      64
#define LIMIT_DEFAULT 20
#define LIMIT_MAX     100000

static const struct cli_command self = {"events", NULL,
	"Usage: keyward [--json] events [--follow] [--device DEVEUI] [--limit N]\n"
	"\n"
	"Shows the join log in words, the newest entries last.\n"
	"\n"
	"  --follow         go on with what comes, until Ctrl-C\n"
	"  --device DEVEUI  only this device\n"
	"  --limit N        how many of the past; default 20\n"
	"\n"
	"Examples:\n"
	"  keyward events\n"
	"  keyward events --follow --device 0004A30B001C0530\n"
	"  keyward --json events --limit 1000 | jq '.events[] | select(.kind == \"refused\")'\n",
	cli_events};

struct wish {
	bool follow;
	uint64_t limit;
	char dev_eui[LW_EUI_TEXT_SIZE]; /* "": every device */
};

static const struct option options[] = {
	{"follow", no_argument, NULL, 'f'},
	{"device", required_argument, NULL, 'd'},
	{"limit", required_argument, NULL, 'n'},
	CLI_COMMON_OPTIONS,
};

static uint64_t read_limit(const char *text)
{
	char *end;
	const unsigned long value = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || value < 1 || value > LIMIT_MAX) {
		cli_usage(&self, "--limit: a number from 1 to %d", LIMIT_MAX);
	}
	return value;
}

static void read_device(const char *text, struct wish *wish)
{
	struct lw_eui eui;

	if (lw_eui_read(text, &eui) != KW_OK) {
		cli_usage(&self, "--device: a DevEUI has 16 hexadecimal digits");
	}
	lw_eui_write(&eui, wish->dev_eui);
}

static void read_wish(struct cli *cli, int argc, char **argv, struct wish *wish)
{
	int option;

	*wish = (struct wish){.limit = LIMIT_DEFAULT};
	while ((option = cli_next_option(cli, &self, argc, argv, options)) != -1) {
		switch (option) {
		case 'f':
			wish->follow = true;
			break;
		case 'd':
			read_device(optarg, wish);
			break;
		default:
			wish->limit = read_limit(optarg);
			break;
		}
	}
	cli_want_words(&self, argc, argv, 0, "");
}

static void print_event(const json_t *event)
{
	char *when = cli_member(event, "time");
	char *dev_eui = cli_member(event, "dev_eui");
	char *sender = cli_member(event, "sender");
	char *text = cli_member(event, "text");

	printf("%s  %s  %s  %s\n", when, dev_eui, sender, text);
	free(when);
	free(dev_eui);
	free(sender);
	free(text);
}

static int get_page(struct cli *cli, const struct wish *wish, bool newest, uint64_t after,
	uint64_t limit, struct cli_reply *reply)
{
	struct cli_path path;

	cli_path_init(&path, "/events");
	if (newest) {
		cli_path_query(&path, "newest", "1");
	}
	if (after > 0) {
		cli_path_query_number(&path, "after", after);
	}
	cli_path_query_number(&path, "limit", limit < PAGE_MAX ? limit : PAGE_MAX);
	if (wish->dev_eui[0] != '\0') {
		cli_path_query(&path, "dev_eui", wish->dev_eui);
	}
	return cli_api_get(cli, &path, reply);
}

/* Pages come newest first: kept in one list, so that the newest is printed last. */
static int collect_past(struct cli *cli, const struct wish *wish, json_t *list)
{
	uint64_t after = 0;
	bool more = true;

	while (more && json_array_size(list) < wish->limit) {
		struct cli_reply reply;
		const int status = get_page(
			cli, wish, true, after, wish->limit - json_array_size(list), &reply);

		if (status == CLI_DONE) {
			json_array_extend(list, json_object_get(reply.json, "events"));
			more = json_is_true(json_object_get(reply.json, "more"));
			after = cli_member_number(reply.json, "resume");
			more = more && after > 0;
		}
		cli_reply_finish(&reply);
		if (status != CLI_DONE) {
			return status;
		}
	}
	return CLI_DONE;
}

static void print_past(const struct cli *cli, const json_t *list)
{
	json_t *turned = cli->json ? json_array() : NULL;

	for (size_t i = json_array_size(list); i > 0; i--) {
		json_t *event = json_array_get(list, i - 1);

		if (cli->json) {
			json_array_append(turned, event);
		} else {
			print_event(event);
		}
	}
	if (cli->json) {
		json_t *whole = json_pack("{s:o}", "events", turned);

		json_dumpf(whole, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(whole);
	}
}

/* Sequence of the newest entry of all devices: following goes on from there. */
static int find_end(struct cli *cli, uint64_t *sequence)
{
	const struct wish any = {.limit = 1};
	struct cli_reply reply;
	const int status = get_page(cli, &any, true, 0, 1, &reply);
	const json_t *events = json_object_get(reply.json, "events");

	*sequence = cli_member_number(json_array_get(events, 0), "sequence");
	cli_reply_finish(&reply);
	return status;
}

/* Print a page of what is new and move `after` on. @return whether there is more at once */
static bool take_page(const struct cli *cli, const struct cli_reply *reply, uint64_t *after)
{
	const json_t *events = json_object_get(reply->json, "events");
	const uint64_t resume = cli_member_number(reply->json, "resume");
	const bool on = resume > *after;
	const json_t *event;
	size_t index;

	*after = on ? resume : *after;
	if (json_array_size(events) > 0 && !cli_print_json(cli, reply)) {
		json_array_foreach(events, index, event)
		{
			print_event(event);
		}
	}
	return on && json_is_true(json_object_get(reply->json, "more"));
}

static int follow(struct cli *cli, const struct wish *wish, uint64_t after)
{
	const struct timespec pause = {.tv_sec = 0, .tv_nsec = 500L * 1000 * 1000};

	for (;;) {
		struct cli_reply reply;
		const int status = get_page(cli, wish, false, after, PAGE_MAX, &reply);
		const bool more = status == CLI_DONE && take_page(cli, &reply, &after);

		cli_reply_finish(&reply);
		if (status != CLI_DONE || fflush(stdout) != 0) {
			return CLI_FAILED;
		}
		if (!more) {
			nanosleep(&pause, NULL);
		}
	}
}

static int run(struct cli *cli, const struct wish *wish, json_t *list)
{
	uint64_t end = 0;
	uint64_t shown;
	int status = CLI_DONE;

	/* The end is looked up first: what comes meanwhile is then shown once, not lost. */
	if (wish->follow) {
		status = find_end(cli, &end);
	}
	if (status == CLI_DONE) {
		status = collect_past(cli, wish, list);
	}
	if (status != CLI_DONE) {
		return status;
	}
	print_past(cli, list);
	if (!wish->follow) {
		return CLI_DONE;
	}
	shown = cli_member_number(json_array_get(list, 0), "sequence");
	return follow(cli, wish, shown > end ? shown : end);
}

int cli_events(struct cli *cli, int argc, char **argv)
{
	struct wish wish;
	json_t *list;
	int status;

	read_wish(cli, argc, argv, &wish);
	list = json_array();
	status = run(cli, &wish, list);
	json_decref(list);
	return status;
}
