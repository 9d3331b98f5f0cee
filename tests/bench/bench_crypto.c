/* What the crypto of a join costs, with another key each time, as a server sees it. */
#include "lorawan/join.h"
#include "lorawan/wrap.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS   7
#define ROUND_NS 50000000
#define BATCH    256
#define KEK_SIZE 16

struct bench {
	struct lw_aes *aes;
	struct lw_key root;
	struct lw_key app_key;
	struct lw_key kek;
	uint8_t request[LW_JOIN_REQUEST_SIZE];
	uint32_t join_nonce;
	unsigned sum; /* of results, so that none is left out */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void must(enum kw_err err)
{
	if (err != KW_OK) {
		fprintf(stderr, "bench_crypto: %s\n", kw_err_text(err));
		exit(1);
	}
}

static void next_key(struct bench *bench)
{
	bench->join_nonce = (bench->join_nonce + 1) & LW_JOIN_NONCE_MAX;
	memcpy(bench->root.octets, &bench->join_nonce, sizeof(bench->join_nonce));
}

static void run_block(struct bench *bench)
{
	uint8_t out[LW_BLOCK_SIZE];

	must(lw_aes_encrypt(bench->aes, bench->root.octets, sizeof(bench->root.octets),
		bench->kek.octets, out, sizeof(out)));
	bench->sum += out[0];
}

static void run_cmac(struct bench *bench)
{
	uint8_t out[LW_BLOCK_SIZE];

	must(lw_aes_cmac(bench->aes, &bench->root, bench->request,
		sizeof(bench->request) - LW_MIC_SIZE, out));
	bench->sum += out[0];
}

static void wrap(struct bench *bench, const struct lw_key *key)
{
	uint8_t out[LW_WRAPPED_SIZE];

	must(lw_wrap(
		bench->aes, bench->kek.octets, KEK_SIZE, key->octets, sizeof(key->octets), out));
	bench->sum += out[0];
}

static void run_wrap(struct bench *bench)
{
	wrap(bench, &bench->root);
}

/* MIC of the request, Join-accept, session keys, and the keys wrapped. */
static void join(struct bench *bench, bool opt_neg)
{
	const struct lw_join_context context = {.type = LW_JOIN_REQ_JOIN, .nonce = 7};
	const struct lw_join_accept accept = {
		.join_nonce = bench->join_nonce,
		.dl_settings = opt_neg ? LW_DL_SETTINGS_OPT_NEG : 0,
		.rx_delay = 5,
	};
	struct lw_session_keys keys;
	struct lw_key_handle root;
	struct lw_key_handle app_root;
	uint8_t mic[LW_MIC_SIZE];
	uint8_t frame[LW_JOIN_ACCEPT_MAX];
	size_t length;

	lw_key_handle_init(&root, bench->aes, &bench->root);
	lw_key_handle_init(&app_root, bench->aes, &bench->app_key);
	must(lw_join_request_mic(&root, bench->request, mic));
	must(lw_join_accept_build(bench->aes, &root, &accept, &context, frame, &length));
	must(lw_session_derive(
		&root, &app_root, opt_neg, accept.join_nonce, &accept.net_id, &context, &keys));
	wrap(bench, &keys.f_nwk_s_int);
	wrap(bench, &keys.app_s);
	if (opt_neg) {
		wrap(bench, &keys.s_nwk_s_int);
		wrap(bench, &keys.nwk_s_enc);
	}
	bench->sum += frame[1] + mic[0];
}

static void run_join_1_0(struct bench *bench)
{
	join(bench, false);
}

static void run_join_1_1(struct bench *bench)
{
	join(bench, true);
}

/* The best of some rounds: what the work costs when nothing else disturbs it. */
static double measure(struct bench *bench, void (*work)(struct bench *bench))
{
	double best = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t begun = now_ns();
		uint64_t took;
		uint64_t count = 0;
		double each;

		do {
			for (unsigned i = 0; i < BATCH; i++) {
				next_key(bench);
				work(bench);
			}
			count += BATCH;
			took = now_ns() - begun;
		} while (took < ROUND_NS);
		each = (double)took / (double)count;
		best = best == 0 || each < best ? each : best;
	}
	return best;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		const char *words;
		void (*work)(struct bench *bench);
	} rows[] = {
		{"block_ns", "one AES block, another key each time", run_block},
		{"cmac_ns", "CMAC of a Join-request", run_cmac},
		{"wrap_ns", "one key wrapped", run_wrap},
		{"join_1_0_ns", "a whole 1.0 join, two keys wrapped", run_join_1_0},
		{"join_1_1_ns", "a whole 1.1 join, four keys wrapped", run_join_1_1},
	};
	const bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
	struct bench bench = {.aes = lw_aes_create()};

	if (bench.aes == NULL || (argc > 1 && !json)) {
		fputs("usage: bench_crypto [--json]\n", stderr);
		return 2;
	}
	memset(&bench.kek, 0x5a, sizeof(bench.kek));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double ns = measure(&bench, rows[i].work);

		if (json) {
			printf("%s\"%s\":%.0f", i == 0 ? "{" : ",", rows[i].name, ns);
		} else {
			printf("%-38s %6.0f ns\n", rows[i].words, ns);
		}
	}
	if (json) {
		puts("}");
	}
	lw_aes_destroy(bench.aes);
	return bench.sum == 0 ? 1 : 0;
}
